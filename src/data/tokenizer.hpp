// SentencePiece as dfascale uses it: byte fallback and no normalisation, so that any UTF-8 text
// comes back unchanged, and a cache of words, because the library is slow on text it has seen
// before.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/joined_bytes.hpp"

namespace dfascale {

class Tokenizer {
 public:
  /// Throws Error(Exit::data) if the file is no SentencePiece model, or one without byte fallback,
  /// end-of-text token or 16-bit vocabulary.
  explicit Tokenizer(const std::string& model_path);
  /// From the bytes of a model file; `name` is for messages.
  static Tokenizer from_bytes(const std::string& bytes, const std::string& name);
  ~Tokenizer();
  Tokenizer(Tokenizer&& other) noexcept;
  Tokenizer& operator=(Tokenizer&& other) noexcept;

  /// Any UTF-8.  The text "<|endoftext|>" is text here, never the token.
  std::vector<std::int32_t> encode(std::string_view text) const;
  /// What encode() was given; an end-of-text token becomes a line "<|endoftext|>".
  std::string decode(const std::vector<std::int32_t>& tokens) const;

  /// Bytes of text that each token stands for; 0 for end of text and other marks.
  std::vector<std::int64_t> bytes_of_tokens() const;
  /// Where a text may be cut without another token coming out.
  const JoinedBytes& joined() const;

  std::int64_t vocab() const;
  std::int32_t end_of_text() const;
  /// The model file to keep with the tokens: as given, with any normalisation switched off.
  const std::string& model_bytes() const;
  /// What had to be switched off in the model for a lossless round trip; empty if nothing.
  const std::string& switched_off() const;

 private:
  friend class Encoder;
  struct Model;
  explicit Tokenizer(std::unique_ptr<Model> model);
  void append_text_of(std::int32_t token, std::string& text) const;
  std::unique_ptr<Model> model_;
};

/// Encodes with a cache; one for each thread.  The tokenizer must outlive it.
class Encoder {
 public:
  explicit Encoder(const Tokenizer& tokenizer);
  /// Appends the tokens of a text that begins and ends where no token can cross: at the borders of
  /// a document, or where Tokenizer::joined() has no pair.
  void encode(std::string_view text, std::vector<std::uint16_t>& out);

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t word = 0, word_bytes = 0;  ///< place in words_; 0 bytes: an empty entry
    std::uint32_t first = 0, count = 0;      ///< place in tokens_
  };
  void unit(std::string_view word, std::vector<std::uint16_t>& out);
  void by_library(std::string_view word, std::vector<std::uint16_t>& out) const;
  Entry& find(std::string_view word, std::uint64_t hash);
  void grow();

  const Tokenizer& tokenizer_;
  std::vector<Entry> table_;  ///< open addressing, a power of two, at most half full
  std::size_t used_ = 0;
  std::string words_;
  std::vector<std::uint16_t> tokens_;
};

}  // namespace dfascale
