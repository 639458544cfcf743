"""What the shell shows to people: tables and sentences, made of plain text only.

Pure: values in, renderables out, and the present moment is an argument. ``layout`` has the building blocks.
"""
