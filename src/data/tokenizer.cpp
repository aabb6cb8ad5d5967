// The model behind the tokenizer: loading, checks, decoding.  The cache is in encoder.cpp.
#include "data/tokenizer.hpp"

#include <sentencepiece_processor.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/read_file.hpp"
#include "data/text_source.hpp"
#include "data/token_format.hpp"
#include "data/tokenizer_model.hpp"

namespace dfascale {
namespace {

/// A protocol buffer may be continued: fields appended to a serialised model replace the earlier
/// ones.  This is ModelProto.normalizer_spec (field 3) with precompiled_charsmap (2) empty,
/// add_dummy_prefix (3) and remove_extra_whitespaces (4) false, escape_whitespaces (5) true.
constexpr std::string_view no_normalisation("\x1a\x08\x12\x00\x18\x00\x20\x00\x28\x01", 10);

/// Text that every normalisation would change: ends and runs of spaces, full-width and composed
/// characters.
constexpr const char* probe = " a  b \xef\xbc\xa1 e\xcc\x81 \xc2\xbd ";

void load(sentencepiece::SentencePieceProcessor& processor, const std::string& bytes,
          const std::string& name) {
  const auto status = processor.LoadFromSerializedProto(bytes);
  if (!status.ok())
    fail(Exit::data, "{}: not a SentencePiece model ({}); expected a tokenizer.model", name,
         status.ToString());
}

bool keeps_text(const sentencepiece::SentencePieceProcessor& processor) {
  std::string pieces;
  for (const std::string& piece : processor.EncodeAsPieces(probe)) pieces += piece;
  std::string back = processor.DecodePieces(processor.EncodeAsPieces(probe));
  return back == probe && pieces.starts_with(space_mark) &&
         !pieces.starts_with(std::string(space_mark) + std::string(space_mark));
}

/// Normalisation is off by now, so what is left is a model that lacks a piece for the space.
void check_lossless(const sentencepiece::SentencePieceProcessor& processor,
                    const std::string& name) {
  if (keeps_text(processor) && !processor.IsUnknown(processor.PieceToId(space_mark))) return;
  fail(Exit::data,
       "{}: text does not come back unchanged from this model; take another, or let dfascale "
       "prepare "
       "train one (--vocab)",
       name);
}

int byte_id(const sentencepiece::SentencePieceProcessor& processor, int byte) {
  const int id = processor.PieceToId(fmt::format("<0x{:02X}>", byte));
  return processor.IsByte(id) ? id : -1;
}

int end_of_text_id(const sentencepiece::SentencePieceProcessor& processor,
                   const std::string& name) {
  const int named = processor.PieceToId(std::string(document_separator));
  if (processor.IsControl(named)) return named;
  if (processor.eos_id() >= 0) return processor.eos_id();
  fail(Exit::data,
       "{}: the model has no end-of-sentence token to mark the end of a document; train it with "
       "--eos_id=1 --eos_piece={}, or let dfascale prepare train one (--vocab)",
       name, document_separator);
}

/// Neighbours in the pieces that text can become; the others are never found in a text.
JoinedBytes joined_in(const sentencepiece::SentencePieceProcessor& processor) {
  JoinedBytes joined;
  std::string text;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    if (processor.IsControl(id) || processor.IsUnknown(id) || processor.IsByte(id)) continue;
    text.clear();
    append_with_spaces(text, processor.IdToPiece(id));
    joined.add(text);
  }
  return joined;
}

constexpr std::int64_t most_model_bytes = std::int64_t{256} << 20;

std::string bytes_of_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    fail(Exit::data, "{}: a folder; expected a SentencePiece model, such as {}/tokenizer.model",
         path, path);
  return read_small_file(path, Exit::data, most_model_bytes);
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Tokenizer::Tokenizer(const std::string& model_path)
    : Tokenizer(from_bytes(bytes_of_file(model_path), model_path)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&& other) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&& other) noexcept = default;

Tokenizer Tokenizer::from_bytes(const std::string& bytes, const std::string& name) {
  auto model = std::make_unique<Model>();
  auto& processor = model->processor;
  model->bytes = bytes;
  load(processor, bytes, name);
  if (!keeps_text(processor)) {
    model->bytes += no_normalisation;
    load(processor, model->bytes, name);
    model->switched_off = "normalisation, or a space put before the text";
  }
  check_lossless(processor, name);
  if (processor.GetPieceSize() > largest_vocabulary)
    fail(Exit::data, "{}: {} tokens; token files hold at most {}", name, processor.GetPieceSize(),
         largest_vocabulary);
  for (int byte = 0; byte < 256; ++byte) {
    model->byte_ids[byte] = byte_id(processor, byte);
    if (model->byte_ids[byte] < 0)
      fail(Exit::data,
           "{}: the model has no token for byte {:#04x}, so it cannot give every text back; train "
           "it with "
           "--byte_fallback=true, or let dfascale prepare train one (--vocab)",
           name, byte);
  }
  model->end_of_text = end_of_text_id(processor, name);
  model->joined = joined_in(processor);
  model->words_are_apart = !model->joined.joins_words();
  return Tokenizer(std::move(model));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::uint16_t> tokens;
  Encoder(*this).encode(text, tokens);
  return {tokens.begin(), tokens.end()};
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= vocab())
      fail(Exit::data, "token {} is not in the tokenizer's vocabulary of {}", token, vocab());
    if (token == model_->end_of_text) {
      if (!text.empty() && text.back() != '\n') text += '\n';
      text.append(document_separator) += '\n';
    } else if (model_->processor.IsUnknown(token)) {
      text += "\xef\xbf\xbd";  // U+FFFD; encode() never makes it, a model may
    } else {
      append_text_of(token, text);
    }
  }
  return text;
}

void Tokenizer::append_text_of(std::int32_t token, std::string& text) const {
  const auto& processor = model_->processor;
  if (processor.IsUnknown(token) || processor.IsControl(token)) return;
  const std::string_view piece = processor.IdToPiece(token);
  if (processor.IsByte(token))
    text += static_cast<char>(std::stoi(std::string(piece.substr(3, 2)), nullptr, 16));
  else append_with_spaces(text, piece);
}

std::vector<std::int64_t> Tokenizer::bytes_of_tokens() const {
  std::vector<std::int64_t> bytes;
  std::string text;
  for (std::int32_t token = 0; token < vocab(); ++token) {
    text.clear();
    append_text_of(token, text);
    bytes.push_back(static_cast<std::int64_t>(text.size()));
  }
  return bytes;
}

const JoinedBytes& Tokenizer::joined() const { return model_->joined; }
std::int64_t Tokenizer::vocab() const { return model_->processor.GetPieceSize(); }
std::int32_t Tokenizer::end_of_text() const { return model_->end_of_text; }
const std::string& Tokenizer::model_bytes() const { return model_->bytes; }
const std::string& Tokenizer::switched_off() const { return model_->switched_off; }

}  // namespace dfascale
