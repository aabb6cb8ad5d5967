// Texts that have broken tokenizers, and random ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace dfascale::test {

inline void append_utf8(std::string& text, std::uint32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xc0 | c >> 6);
    text += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    text += static_cast<char>(0xe0 | c >> 12);
    text += static_cast<char>(0x80 | (c >> 6 & 63));
    text += static_cast<char>(0x80 | (c & 63));
  } else {
    text += static_cast<char>(0xf0 | c >> 18);
    text += static_cast<char>(0x80 | (c >> 12 & 63));
    text += static_cast<char>(0x80 | (c >> 6 & 63));
    text += static_cast<char>(0x80 | (c & 63));
  }
}

/// Well-formed UTF-8, rich in spaces, controls, marks and rare characters.
inline std::string random_text(std::mt19937& random, std::size_t characters) {
  const std::vector<std::string> often = {" ",
                                          "  ",
                                          "\n",
                                          "\r\n",
                                          "\t",
                                          "\xe2\x96\x81",
                                          "the",
                                          " of",
                                          "e\xcc\x81",
                                          std::string(1, '\0'),
                                          "<|endoftext|>",
                                          "<0x41>",
                                          "<unk>",
                                          "\xef\xbb\xbf"};
  std::string text;
  for (std::size_t i = 0; i < characters; ++i) {
    const unsigned kind = random() % 8;
    if (kind < 3) {
      text += often[random() % often.size()];
    } else if (kind < 6) {
      text += static_cast<char>('a' + random() % 26);
    } else if (kind == 6) {
      append_utf8(text, random() % 0x800);
    } else {
      const std::uint32_t c = random() % 0x110000;
      append_utf8(text, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    }
  }
  return text;
}

inline std::vector<std::string> nasty_texts() {
  return {"",
          " ",
          "      ",
          "\n",
          "\n\n\n",
          " leading and trailing ",
          "two  spaces   three    four",
          "tab\there\r\nand CR LF\r",
          std::string("nul \0 inside", 12),
          "mark \xe2\x96\x81 and \xe2\x96\x81\xe2\x96\x81word \xe2\x96\x81",
          "\xe2\x96\x81",
          "\xef\xbb\xbf"
          "byte order mark",
          "e\xcc\x81 not composed, \xef\xbc\xa1 full width, \xc2\xbd half, \xc2\xa0 no break, "
          "\xe3\x80\x80 wide",
          "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xef\xbf\xbf "
          "\xf4\x8f\xbf\xbf",
          "<|endoftext|> in a line, <0x41>, <unk>, </s>",
          "line\nwithout an end",
          std::string(5000, 'x') + " " + std::string(9000, ' ') + "y",
          std::string(300, '\n') + std::string(10000, '\t')};
}

/// Sentences of made-up words, the same for a seed.
inline std::string made_up_text(std::uint32_t seed, std::size_t words) {
  std::mt19937 random(seed);
  std::vector<std::string> vocabulary;
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (unsigned n = 1 + random() % 8; n > 0; --n) word += "etaoinshrdlucmfwyp"[random() % 18];
    vocabulary.push_back(word);
  }
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    text += vocabulary[std::min(random() % 2000, random() % 2000)];
    text += random() % 15 ? " " : random() % 4 ? ".\n" : ".\n\n";
  }
  return text + "\n";
}

}  // namespace dfascale::test
