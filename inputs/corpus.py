"""Turns unpacked Debian packages into train.txt and valid.txt; called by corpus.sh.

usage: corpus.py UNPACKED OUT     (UNPACKED/PACKAGE/usr/...)

One reader per package yields sections (a chapter, a psalm, a page) as lists of paragraphs.  What is
common to all follows: light cleaning, repeated paragraphs out, documents of 8 to 40 kB that begin at a
section where possible, about every 20th of them for validation, in an order drawn by their checksums.
"""
import gzip
import hashlib
import html
import re
import struct
import sys
import unicodedata
import zlib
from pathlib import Path

SEPARATOR = "<|endoftext|>"
SMALLEST, LARGEST = 8_000, 40_000  # characters of a document
VALID_SHARE = 20                   # one document in so many
REMEMBERED = 50                    # sentences shorter than this may repeat


def files(root, pattern):
    found = sorted(root.glob("usr/" + pattern))
    if not found:
        sys.exit(f"corpus.py: {root.name}: no {pattern} in the package; its layout has changed")
    return found


def plain_markdown(text):
    """Markdown without links, emphasis, headings' and lists' marks."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^\s*(?:#+|>|[*+-]|\d+\.)\s+", "", text, flags=re.M)
    text = re.sub(r"\*\*|(?<!\w)_+|_+(?!\w)", "", text)
    return html.unescape(re.sub(r"\\([^\w\s])", r"\1", text))


def anarchist_faq(root):
    """Pages of text; those of links, titles and quotations only are left out."""
    for page in files(root, "share/doc/anarchism/markdown/*.md*"):
        if re.match(r"sec\w+?\d|sec\wint|append|intro|vol\dintro|10years", page.name):
            raw = page.read_bytes()
            text = (gzip.decompress(raw) if page.suffix == ".gz" else raw).decode()
            yield [plain_markdown(part) for part in re.split(r"\n\s*\n", text)]


def austen_novels(root):
    """R keeps each novel as one compressed vector of lines: a length, then zlib data.  A line is marked
    00 04 00 09 (a string, ASCII or UTF-8), its length, its bytes; all numbers are big-endian."""
    data = files(root, "lib/R/site-library/janeaustenr/data/Rdata.rdb")[0].read_bytes()
    line = re.compile(rb"\0\x04\0\t(....)", re.S)
    while data:
        unpacker = zlib.decompressobj()
        raw, lines, at = unpacker.decompress(data[4:]), [], 0
        data = unpacker.unused_data
        while match := line.search(raw, at):
            at = match.end() + max(0, struct.unpack(">i", match[1])[0])
            lines.append(raw[match.end():at].decode())
        text = re.sub(r"(?<!\w)_|_(?!\w)", "", "\n".join(lines))
        for chapter in re.split(r"\n(?=chapter [\divxlc]+)", text, flags=re.I):
            yield re.split(r"\n\s*\n", chapter)


def osis_sections(root):
    """Blocks of a compressed SWORD module: *.bzs or *.czs lists offset, packed and unpacked size."""
    for index in files(root, "share/sword/modules/**/[on]t.?zs"):
        packed = index.with_suffix(index.suffix[:2] + "zz").read_bytes()
        for offset, size, _ in struct.iter_unpack("<III", index.read_bytes()):
            if size:
                yield osis_paragraphs(zlib.decompress(packed[offset:offset + size]).decode())


HIDDEN = {"note", "title", "milestone", "speaker", "table", "figure"}
PARAGRAPHS = {"div", "chapter", "lg", "list", "p"}
LINES = {"l", "lb", "item"}


def osis_paragraphs(markup):
    text, hidden, at = [], 0, 0
    for tag in re.finditer(r"<(/?)(\w+)([^>]*?)(/?)>", markup):
        if not hidden:
            text.append(markup[at:tag.start()].replace("\n", " "))
        at = tag.end()
        closing, name, attributes, empty = tag.groups()
        if name in HIDDEN and not empty:
            hidden += -1 if closing else 1
            text.append(" ")
        elif name in LINES:
            text.append("\n")
        elif name in PARAGRAPHS and "x-milestone" not in attributes:
            text.append("\n\n")
    text = html.unescape("".join(text))
    text = re.sub(r"^ *(?:Verses?|Vers?\.) [\d, –-]+\.? *", "", text, flags=re.M)
    return re.split(r"\n\s*\n", text)


READERS = {"anarchism": anarchist_faq, "r-cran-janeaustenr": austen_novels, "sword-comm-mhcc": osis_sections,
           "sword-comm-tdavid": osis_sections, "sword-text-web": osis_sections}


def clean(paragraph):
    """One line, but verse keeps its lines; no controls, no spaces doubled or before punctuation."""
    is_verse = max(map(len, paragraph.split("\n"))) < 60 and paragraph.count("\n") > 1
    text = unicodedata.normalize("NFC", paragraph if is_verse else paragraph.replace("\n", " "))
    text = "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") else " " for c in text)
    text = re.sub(r"[^\S\n]+", " ", text)
    text = re.sub(r" ([,;:!?\])]|(?<!\. )\.(?!\s?\.))", r"\1", re.sub(r"([\[(]) ", r"\1", text))
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def is_prose(text):
    """Mostly Latin letters, and no arrows of a page's links to the next."""
    letters = sum(map(str.isalpha, text))
    is_latin = len(re.findall("[a-zA-Z]", text)) > 0.95 * letters > 0.57 * len(text)
    return is_latin and not re.search("[‹›]", text) and SEPARATOR not in text


class Repeats:
    """Knows the sentences so far: true for a paragraph most of which has been said before."""

    def __init__(self):
        self.sentences = set()

    def __call__(self, text):
        keys = [hash_of(s) for s in re.split(r"(?<=[.?!;])\s", text) if len(s) >= REMEMBERED]
        known = sum(key in self.sentences for key in keys)
        self.sentences.update(keys)
        return 2 * known > len(keys)


def hash_of(text):
    return hashlib.sha256(re.sub(r"\W+", " ", text.lower()).encode()).digest()


def documents(sections, repeats):
    open_document, size = [], 0
    for section in sections:
        if size >= SMALLEST:
            yield "\n\n".join(open_document)
            open_document, size = [], 0
        for paragraph in map(clean, section):
            if not is_prose(paragraph) or repeats(paragraph):
                continue
            if size >= LARGEST:
                yield "\n\n".join(open_document)
                open_document, size = [], 0
            open_document.append(paragraph)
            size += len(paragraph) + 2
    if open_document:
        yield "\n\n".join(open_document)


def main(unpacked, out):
    splits, repeats = {"train": [], "valid": []}, Repeats()
    for package, reader in READERS.items():
        size = 0
        for document in documents(reader(unpacked / package), repeats):
            key = hashlib.sha256(document.encode()).hexdigest()
            splits["train" if int(key, 16) % VALID_SHARE else "valid"].append((key, document))
            size += len(document.encode())
        if size < 1_000_000:
            sys.exit(f"corpus.py: {package}: only {size} bytes of text found; its layout has changed")
        print(f"{package}: {size / 1e6:.1f} MB", file=sys.stderr)
    for name, found in splits.items():
        text = f"\n{SEPARATOR}\n".join(document for _, document in sorted(found)) + "\n"
        (out / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}.txt: {len(found)} documents, {len(text.encode()) / 1e6:.1f} MB", file=sys.stderr)


main(Path(sys.argv[1]), Path(sys.argv[2]))
