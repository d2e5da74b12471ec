# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of MongoDB whose conversations are recorded. Debian has no MongoDB server; the client is MongoDB's own driver, the server one that answers it
as the protocol's documentation says, and counts what it is asked for."""

import collections
import contextlib
import socket
import struct
import threading

import bson
import pymongo
import pymongo.errors

HOST = "127.0.0.1"
OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG = 1, 2004, 2012, 2013
MORE_TO_COME = 2
ROWS = 250


class MongoDB:
    """`served`: commands by name. Use with `with`."""

    def __init__(self):
        self.served = collections.Counter()
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self.listener.accept()[:1], daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            while len(header := stream.read(16)) == 16:
                length, number, _, opcode = struct.unpack("<iiii", header)
                reply = self._answer(opcode, stream.read(length - 16))
                if reply is None:
                    continue
                kind, body = reply
                connection.sendall(struct.pack("<iiii", 16 + len(body), number + 100_000, number, kind) + body)

    def _answer(self, opcode, body):
        """Opcode and body of the answer; None: none is wanted."""
        if opcode == OP_COMPRESSED:
            import zlib
            self.served["COMPRESSED"] += 1
            original, _, _ = struct.unpack("<iiB", body[:9])
            served, self.served = self.served, collections.Counter()
            answer = self._answer(original, zlib.decompress(body[9:]))
            self.served = served
            return answer and (OP_COMPRESSED, struct.pack("<iiB", OP_MSG, len(answer[1]), 2) + zlib.compress(answer[1]))
        if opcode == OP_QUERY:
            document = bson.decode(body[body.index(0, 4) + 9:])
            return OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self._command(document))
        flags, size = struct.unpack("<I", body[:4])[0], struct.unpack("<i", body[5:9])[0]
        answer = self._command(bson.decode(body[5:5 + size]))
        return None if flags & MORE_TO_COME else (OP_MSG, struct.pack("<IB", 0, 0) + bson.encode(answer))

    def _command(self, document):
        name = next(iter(document))
        self.served[name.upper()] += 1
        answer = getattr(self, f"_{name.lower()}", lambda _: {"ok": 1.0})(document)
        self.served["failed"] += not answer["ok"] or "writeErrors" in answer
        return answer

    def _ismaster(self, document):
        return {"ismaster": True, "maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "maxWireVersion": 9,
                "minWireVersion": 0, "compression": document.get("compression", []), "ok": 1.0}

    _hello = _ismaster

    @staticmethod
    def _batch(first, last, key, cursor):
        rows = [{"_id": n, "name": f"planted {n}", "filler": "x" * 40} for n in range(first, last)]
        return {"cursor": {key: rows, "id": bson.Int64(cursor), "ns": "shop.users"}, "ok": 1.0}

    def _find(self, document):
        limit = document.get("limit", ROWS)
        first = document.get("batchSize", 101)
        return self._batch(0, min(limit, first), "firstBatch", 4711 if limit > first else 0)

    def _aggregate(self, _):
        return self._batch(0, 3, "firstBatch", 0)

    def _getmore(self, document):
        return self._batch(101, 101 + min(document.get("batchSize", 149), 149), "nextBatch", 0)

    def _insert(self, document):
        if document["insert"] == "full":
            return {"n": 0, "writeErrors": [{"index": 0, "code": 11000, "errmsg": "planted"}], "ok": 1.0}
        return {"n": 1, "ok": 1.0}

    def _count(self, _):
        return {"n": 3, "ok": 1.0}

    def _drop(self, _):
        return {"ok": 0.0, "errmsg": "ns not found", "code": 26, "codeName": "NamespaceNotFound"}

    def _dropindexes(self, _):
        return {"ok": 0.0, "errmsg": "planted", "code": 27, "codeName": "IndexNotFound"}


def driver(port, **options):
    client = pymongo.MongoClient(HOST, port, directConnection=True, maxPoolSize=1, **options)
    users = client.shop.users
    users.insert_one({"name": "planted"})
    users.insert_many([{"name": "planted" * 30, "n": n} for n in range(50)])
    for _ in range(3):
        users.find_one({"name": "planted"})
    assert len(list(users.find())) == ROWS
    list(users.aggregate([{"$match": {"name": "planted"}}]))
    users.update_one({"name": "planted"}, {"$set": {"name": "planted"}})
    users.delete_many({})
    users.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}})
    users.drop()
    with contextlib.suppress(pymongo.errors.OperationFailure):
        users.drop_index("nothing")
    with contextlib.suppress(pymongo.errors.DuplicateKeyError):
        client.shop.full.insert_one({"_id": 1})
    client.shop.get_collection("log", write_concern=pymongo.WriteConcern(w=0)).insert_one({"line": "planted"})
    client.admin.command("ping")
    client.close()


CLIENTS = {"driver": driver, "compressed": lambda port: driver(port, compressors="zlib")}
