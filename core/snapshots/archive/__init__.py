"""The file format of snapshots: the only folder that knows what the bytes of a snapshot file mean.

A snapshot file is a series of gzip members: a head, the content in blocks of 64 KiB, a tail. From the bytes upwards:

- ``fingerprint``: what identifies the image of a database, and the size of a block.
- ``compression``: DEFLATE for one block, by isal or zlib.
- ``framing``: the bytes of one gzip member.
- ``pipeline``: two threads that compress or verify blocks, in order.
- ``members``: the stream of head, blocks and tail, and the documents in head and tail.
- ``full``: full snapshots as files (``.db.gz``); the content is the image.
- ``incremental``: incremental snapshots as files (``.pages.gz``); the content is the pages that changed.
- ``reuse``: fulls that copy what did not change from an earlier full.
- ``page_index``: which pages changed since a snapshot.
- ``cache_file``: files that can be lost, such as the page index.

Everything here blocks, so it runs in the worker process.
"""
