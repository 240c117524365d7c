#!/usr/bin/env python3
"""Enforces which room may know which: the table of layers in docs/design.md, over every #include.

usage: tools/check_layers.py [--self-test]

Prints one line for each breach, and exits with 1 if there is one.
"""

import re
import sys
import tempfile
from pathlib import Path

NETWORK = r"sys/socket\.h|sys/un\.h|sys/epoll\.h|netinet/.*|arpa/.*|netdb\.h|poll\.h|unistd\.h"
WAITING = r"thread|mutex|shared_mutex|condition_variable|future|semaphore"
PURE_CODE = {
    r"::now\s*\(": "reads a clock; time is given to it",
    r"\bshared_ptr\b": "shares ownership; pure rooms own or borrow",
    r"(?<!\w)assert\s*\(": "asserts; bytes from the network are checked instead",
}
EVERY_SOURCE = {r"\bnew\s+[\w:]": "a raw new", r"\bdelete\s+[\w:*(]": "a raw delete"}


class Room:
    """may: regular expression of the project's files that may be included, as memcxx/... for a
    public header and room/... for src/. never: of other headers that may not. code: patterns that
    may not stand in the code, each with what is wrong about it."""

    def __init__(self, may, never=r"openssl/.*|(boost/)?asio.*", code=None):
        self.may, self.never, self.code = may, never, {**EVERY_SOURCE, **(code or {})}


THIRD_PARTY = r"openssl/.*|(boost/)?asio.*"
PURE = rf"{THIRD_PARTY}|{NETWORK}|{WAITING}"
WIRE = r"memcxx/protocol/.*|memcxx/error\.hpp"

# The first that matches a file's path holds for it.
ROOMS = [
    (r"include/memcxx/protocol/", Room(WIRE, PURE, PURE_CODE)),
    (r"include/memcxx/connection\.hpp", Room(WIRE, PURE, PURE_CODE)),
    (r"include/memcxx/negotiation\.hpp",
     Room(rf"{WIRE}|memcxx/connection\.hpp", PURE, PURE_CODE)),
    (r"include/memcxx/as(ync|io)", Room(r"memcxx/.*", r"openssl/.*")),
    (r"include/memcxx/", Room(r"memcxx/(?!async).*", rf"{THIRD_PARTY}|{NETWORK}")),
    (r"src/protocol/", Room(rf"{WIRE}|protocol/.*", PURE, PURE_CODE)),
    (r"src/connection/",
     Room(rf"{WIRE}|memcxx/(connection|negotiation)\.hpp|(protocol|connection)/.*", PURE,
          PURE_CODE)),
    (r"src/routing/", Room(r"memcxx/(?!async|client).*|routing/.*|protocol/key_bytes\.hpp",
                           rf"{THIRD_PARTY}|{NETWORK}", PURE_CODE)),
    (r"src/codec/", Room(r"memcxx/(?!async|client).*|codec/.*|routing/sha1\.hpp", PURE, PURE_CODE)),
    (r"src/transport/", Room(r"memcxx/(error|options)\.hpp|transport/.*", r"(boost/)?asio.*")),
    (r"src/engine/async", Room(r"memcxx/.*|(engine|routing|transport)/.*", r"openssl/.*")),
    (r"src/engine/", Room(r"memcxx/(?!async).*|(engine|routing|transport)/.*")),
    (r"src/driver/", Room(r"memcxx/(?!async|client).*|driver/.*", rf"{THIRD_PARTY}|{NETWORK}")),
    (r"src/api/async", Room(r"memcxx/.*|(api|engine|routing)/.*", r"openssl/.*")),
    (r"src/api/", Room(r"memcxx/(?!async).*|(api|engine|routing)/.*",
                       rf"{THIRD_PARTY}|(?!arpa/inet\.h)({NETWORK})")),  # inet_pton reads addresses
    (r"tools/mcx/", Room(r"memcxx/.*|mcx/.*", rf"openssl/.*|{NETWORK}")),
    (r"(examples|tests/install)/", Room(r"memcxx/.*", r"openssl/.*")),
    (r"tests/(protocol|connection|routing|engine|driver|codec|api|compat)/",
     Room(r".*", NETWORK, {r"\b(sleep_for|sleep_until|usleep|nanosleep)\b": "a unit test sleeps"})),
]
PROTOCOLS = ("classic", "meta", "binary")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """Nothing in place of a comment or a literal, but as many lines; a digit separator stays."""
    return "\n" * match.group().count("\n") or " "


def project_name(root, file, quoted, header):
    """How ROOMS calls the project's file that an #include means; None for a foreign header."""
    if header.startswith("memcxx/"):
        return header
    places = [file.parent] if quoted else []
    for place in [*places, root / "src", root / "tools", root / "tests"]:
        found = (place / header).resolve()
        if found.is_file():
            for base in (root / "include", root / "src", root / "tools"):
                if found.is_relative_to(base):
                    return found.relative_to(base).as_posix()
            return found.relative_to(root).as_posix()
    # A quoted header that nobody finds is still a claim on a room.
    return header if quoted else None


def breaches_of(root, file, room):
    path = file.relative_to(root).as_posix()
    text = file.read_text(encoding="utf-8")
    code = COMMENT_OR_LITERAL.sub(blank, re.sub(r"(?<=\w)'(?=\w)", "", text))
    line_of = lambda source, at: source.count("\n", 0, at) + 1

    for match in INCLUDE.finditer(text):
        where, header = f"{path}:{line_of(text, match.start(2))}", match.group(2)
        name = project_name(root, file, match.group(1) == '"', header)
        if name is None:
            if re.fullmatch(room.never, header):
                yield f"{where}: includes <{header}>, which has no place in this room"
        elif not re.fullmatch(room.may, name):
            yield f"{where}: includes {name}, which this room may not know"
        elif re.match(r"(src|include/memcxx)/protocol/", path):
            own, other = file.stem, Path(name).stem
            for p in PROTOCOLS:
                if other.startswith(p) and own.startswith(PROTOCOLS) and not own.startswith(p):
                    yield f"{where}: includes {name}; the protocols do not know each other"

    for pattern, why in room.code.items():
        for match in re.finditer(pattern, code):
            yield f"{path}:{line_of(code, match.start())}: {why}: {match.group().strip()}"


def check(root):
    """Returns how many files there are in rooms, and the breaches."""
    files, breaches = 0, []
    for folder in ("include", "src", "tools", "examples", "tests"):
        for file in sorted((root / folder).rglob("*.[ch]pp")):
            path = file.relative_to(root).as_posix()
            room = next((room for pattern, room in ROOMS if re.match(pattern, path)), None)
            if room is None and folder in ("include", "src"):
                breaches.append(f"{path}: stands in no room of the table")
            if room is not None:
                files += 1
                breaches += breaches_of(root, file, room)
    return files, breaches


# What must be refused, and next to it what must not.
BAD = {
    "src/protocol/classic.cpp": [
        "#include <memcxx/options.hpp>", '#include "connection/buffer.hpp"',
        "#include <sys/socket.h>", "#include <memcxx/protocol/meta.hpp>",
        "auto t = std::chrono::steady_clock::now();", "std::shared_ptr<int> p;",
        "auto* p = new int;", "assert(n > 0);"],
    "src/connection/connection.cpp": [
        '#include "transport/socket.hpp"', '#include "../transport/socket.hpp"',
        "#include <memcxx/client.hpp>", "#include <mutex>", "#include <openssl/ssl.h>"],
    "src/routing/router.cpp": ['#include "connection/buffer.hpp"', '#include "engine/pool.hpp"'],
    "src/transport/socket.cpp": ["#include <memcxx/protocol/request.hpp>",
                                 "#include <memcxx/connection.hpp>"],
    "src/engine/pool.cpp": ['#include "connection/buffer.hpp"', '#include "protocol/text.hpp"',
                            "#include <openssl/ssl.h>", "delete pool;"],
    "src/driver/memory.cpp": ['#include "engine/pool.hpp"'],
    "src/api/client.cpp": ['#include "transport/socket.hpp"', '#include "connection/buffer.hpp"'],
    "src/attic/old.cpp": ["int x;"],
    "include/memcxx/client.hpp": ['#include "engine/pool.hpp"', "#include <asio.hpp>"],
    "tools/mcx/main.cpp": ['#include "engine/pool.hpp"', "#include <sys/socket.h>"],
    "examples/hello.cpp": ['#include "../src/engine/pool.hpp"'],
    "tests/protocol/classic_test.cpp": ["std::this_thread::sleep_for(1s);"],
}
GOOD = {
    "src/protocol/classic.cpp": [
        "#include <memcxx/protocol/classic.hpp>", '#include "protocol/text.hpp"',
        '#include "text.hpp"', "// shared_ptr, new things, ::now()", 'auto s = "new shared_ptr";',
        "int n = 1'000; char c = '\\''; static_assert(sizeof(n) == 4);"],
    "src/engine/pool.cpp": ['#include "routing/router.hpp"', '#include "transport/socket.hpp"',
                            "#include <memcxx/connection.hpp>", "#include <mutex>",
                            "pool(const pool&) = delete;"],
    "src/transport/socket.cpp": ["#include <sys/socket.h>", "#include <openssl/ssl.h>"],
    "include/memcxx/async_client.hpp": ["#include <asio.hpp>"],
    "tools/mcx/main.cpp": ["#include <memcxx/client.hpp>", "#include <CLI/CLI.hpp>"],
}


def self_test():
    wrong = []
    for lines_of, expected in ((BAD, 1), (GOOD, 0)):
        for path, lines in lines_of.items():
            for line in lines:
                with tempfile.TemporaryDirectory() as folder:
                    root = Path(folder).resolve()
                    for other in ("src/connection/buffer.hpp", "src/engine/pool.hpp",
                                  "src/transport/socket.hpp", "src/protocol/text.hpp", path):
                        (root / other).parent.mkdir(parents=True, exist_ok=True)
                        (root / other).write_text("// A file.\n")
                    (root / path).write_text(f"// A file.\n{line}\n")
                    _, breaches = check(root)
                    if len(breaches) != expected:
                        wrong.append(f"{path}: '{line}': {breaches or 'not refused'}")
    print("\n".join(wrong) or "check_layers: refuses what it must, and nothing else")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    files, breaches = check(Path(__file__).resolve().parent.parent)
    print("\n".join(breaches) or f"check_layers: {files} files, each in its room")
    return 1 if breaches or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
