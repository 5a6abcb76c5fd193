"""The reader of answers: the same from any pieces, and nothing that could be read in two ways."""

from __future__ import annotations

import random
import unittest

from sandrun import BadAnswer, Unreachable
from sandrun._wire import HEAD_BYTES, AnswerReader, request_head

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a:\t2 \r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"3;name=x\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: x\r\n\r\n" + PLAIN
CLOSED = b"HTTP/1.1 200 \r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n"


def read(*pieces: bytes, end: bool = False) -> tuple[AnswerReader, bytes]:
    reader = AnswerReader()
    body = b"".join(b"".join(reader.feed(piece)) for piece in pieces)
    return reader, body + b"".join(reader.feed(b"") if end else [])


class Answers(unittest.TestCase):
    def test_reads_the_same_wherever_it_is_cut(self) -> None:
        for whole in (PLAIN, CHUNKED, INTERIM):
            for cut in range(1, len(whole)):
                reader, body = read(whole[:cut], whole[cut:])
                self.assertEqual((body, reader.done, reader.reusable), (b"hello", True, True))
            reader, body = read(*(bytes([byte]) for byte in whole))
            self.assertEqual((body, reader.done), (b"hello", True))

    def test_joins_headers_of_one_name(self) -> None:
        reader, _ = read(PLAIN)
        assert reader.head is not None
        self.assertEqual(reader.head.headers["x-a"], "1, 2")

    def test_a_body_without_a_length_ends_with_the_connection(self) -> None:
        reader, body = read(CLOSED)
        self.assertEqual((body, reader.done), (b"hello", False))
        reader, _ = read(CLOSED, end=True)
        self.assertEqual((reader.done, reader.reusable), (True, False))

    def test_an_answer_without_a_body_is_done_at_once(self) -> None:
        reader, _ = read(EMPTY)
        self.assertTrue(reader.done and reader.reusable)

    def test_what_comes_after_an_answer_is_never_the_next_one(self) -> None:
        for whole in (PLAIN, CHUNKED, EMPTY):
            reader, _ = read(whole + b"HTTP/1.1 200 OK\r\n\r\n")
            self.assertEqual((reader.done, reader.reusable), (True, False), whole)

    def test_an_answer_that_ends_too_early_is_a_broken_connection(self) -> None:
        for whole in (PLAIN, CHUNKED, b""):
            for cut in range(len(whole)):
                with self.assertRaises(Unreachable):
                    read(*([whole[:cut]] if cut else []), end=True)

    def test_refuses_what_can_be_read_in_two_ways(self) -> None:
        for head in (
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: 0x5",
            "Content-Length: 5000000000000000",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content-Encoding: br",
            "Content-Length : 5",
            " folded: 1",
            "no colon",
            "A: b\nContent-Length: 1",
        ):
            with self.subTest(head), self.assertRaises(BadAnswer):
                read(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\nhello".encode())

    def test_refuses_chunks_that_do_not_add_up(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for body in (
            b"-1\r\n",
            b"5\nhello",
            b"5\r\nhelloXX",
            b"\r\n",
            b"1" * 17 + b"\r\n",
            b"g\r\n",
        ):
            with self.subTest(body), self.assertRaises(BadAnswer):
                read(head + body + b"\r\n\r\n")

    def test_heads_lines_and_trailers_are_bounded(self) -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        endless = {
            "head": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
            "interim heads": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            "chunk line": (chunked + b"1;", b"x"),
            "trailer": (chunked + b"0\r\n", b"A: b\r\n"),
        }
        for what, (start, again) in endless.items():
            reader = AnswerReader()
            with self.subTest(what), self.assertRaises(BadAnswer):
                reader.feed(start or again)
                for _ in range(2 * HEAD_BYTES):
                    reader.feed(again)

    def test_refuses_other_protocols(self) -> None:
        for start in (b"HTTP/1.0 200 OK", b"HTTP/2 200", b"SSH-2.0-x", b"HTTP/1.1 99 x", b"\0"):
            with self.subTest(start), self.assertRaises(BadAnswer):
                read(start + b"\r\n\r\n")

    def test_noise_is_refused_and_never_anything_else(self) -> None:
        noise = random.Random(1)  # noqa: S311
        whole = PLAIN + CHUNKED + INTERIM + CLOSED
        for _ in range(4000):
            seen = bytearray(noise.choice((PLAIN, CHUNKED, INTERIM, CLOSED)))
            for _ in range(noise.randrange(1, 4)):
                at = noise.randrange(len(seen))
                seen[at : at + noise.randrange(3)] = noise.choices(whole, k=noise.randrange(3))
            try:
                reader, body = read(bytes(seen), end=True)
                self.assertTrue(reader.done)
                self.assertLessEqual(len(body), len(seen))
            except (BadAnswer, Unreachable):
                continue


class Requests(unittest.TestCase):
    def test_a_request_is_one_request(self) -> None:
        head = request_head("GET", "/a?b=c", "localhost:1", {"Accept": "*/*"})
        self.assertEqual(head, b"GET /a?b=c HTTP/1.1\r\nHost: localhost:1\r\nAccept: */*\r\n\r\n")
        for bad in ("x\r\nEvil: 1", "x\ny", "\0", "ä", "\x7f"):
            with self.subTest(bad), self.assertRaises(ValueError):
                request_head("GET", f"/{bad}", "localhost", {})
            with self.subTest(bad), self.assertRaises(ValueError):
                request_head("GET", "/", "localhost", {"A": bad})


if __name__ == "__main__":
    unittest.main()
