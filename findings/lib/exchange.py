"""Sends lines on one connection, and compares what comes back.

usage: exchange.py PORT LINE... -- ANSWER...

"x*N" as a line is N times that letter, "|" goes on in a write of its own once the answers so far
are there (one "|" among the answers for each), "(closed)" is the end of the connection, and an
answer with * or ? is a pattern. Ends with 1 when an answer is another one, or late.
"""

import fnmatch
import socket
import sys

SECONDS = 10


def parts(words):
    """The words between the bars."""
    found = [[]]
    for word in words:
        if word == "|":
            found.append([])
        else:
            found[-1].append(word)
    return found


def payload(line):
    letter, star, count = line.partition("*")
    whole = letter * int(count) if star and len(letter) == 1 and count.isdigit() else line
    return whole.encode() + b"\r\n"


def show(line):
    return line if len(line) < 200 else line[:40] + f"... ({len(line)} characters)"


def read_line(stream):
    try:
        line = stream.readline()
    except TimeoutError:
        return "(nothing)"
    except ConnectionError:
        return "(closed)"
    return line.decode().rstrip("\r\n") if line else "(closed)"


def main():
    words = sys.argv[2:]
    cut = words.index("--")
    good = True
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), SECONDS) as connection:
        stream = connection.makefile("rb")
        for lines, answers in zip(parts(words[:cut]), parts(words[cut + 1:]), strict=True):
            for line in lines:
                print(f"  > {line}")
            connection.sendall(b"".join(map(payload, lines)))
            for answer in answers:
                got = read_line(stream)
                fits = got == answer or fnmatch.fnmatchcase(got, answer)
                print(f"  < {show(got)}" if fits else f"  < {show(got)}   EXPECTED: {answer}")
                good = good and fits
                if got in ("(nothing)", "(closed)"):
                    break
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
