// The words by which enums are written in decks, golden files and records: one table each.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "deck/settings.hpp"

namespace dfascale {

template <class E>
struct Word {
  E value;
  std::string_view text;
};
template <class E>
Word(E, std::string_view) -> Word<E>;

template <class E>
inline constexpr std::array<Word<E>, 0> words{};  // a table for each enum follows

template <>
inline constexpr std::array words<Activation> = {
    Word{Activation::relu, "relu"}, Word{Activation::gelu, "gelu"}, Word{Activation::tanh, "tanh"}};
template <>
inline constexpr std::array words<Derivative> = {Word{Derivative::exact, "exact"},
                                                 Word{Derivative::tanh, "tanh"}};
template <>
inline constexpr std::array words<Credit> = {
    Word{Credit::chain, "chain"}, Word{Credit::direct, "direct"}, Word{Credit::none, "none"}};
template <>
inline constexpr std::array words<ErrorTap> = {Word{ErrorTap::none, "none"},
                                               Word{ErrorTap::preprojector, "preprojector"},
                                               Word{ErrorTap::logits, "logits"}};
template <>
inline constexpr std::array words<Granularity> = {Word{Granularity::block, "block"},
                                                  Word{Granularity::layer, "layer"}};
template <>
inline constexpr std::array words<Residual> = {Word{Residual::vanilla, "vanilla"},
                                               Word{Residual::asymmetric, "asymmetric"}};
template <>
inline constexpr std::array words<EmbeddingCredit> = {
    Word{EmbeddingCredit::chain, "chain"}, Word{EmbeddingCredit::block, "block"},
    Word{EmbeddingCredit::direct, "direct"}, Word{EmbeddingCredit::none, "none"}};
template <>
inline constexpr std::array words<Feedback> = {Word{Feedback::gaussian, "gaussian"},
                                               Word{Feedback::orthogonal, "orthogonal"},
                                               Word{Feedback::identity, "identity"}};
template <>
inline constexpr std::array words<TokenFormat> = {Word{TokenFormat::llmc, "llmc"},
                                                  Word{TokenFormat::raw, "raw"}};
template <>
inline constexpr std::array words<RateSchedule> = {
    Word{RateSchedule::cosine, "cosine"}, Word{RateSchedule::constant, "constant"},
    Word{RateSchedule::linear, "linear"}, Word{RateSchedule::wsd, "wsd"}};
template <>
inline constexpr std::array words<Clip> = {Word{Clip::global, "global"}, Word{Clip::block, "block"},
                                           Word{Clip::none, "none"}};
template <>
inline constexpr std::array words<Precision> = {Word{Precision::f32, "f32"},
                                                Word{Precision::bf16, "bf16"}};

/// word(Activation::relu) is "relu".
template <class E>
constexpr std::string_view word(E value) {
  static_assert(!words<E>.empty(), "the enum needs a table in deck/words.hpp");
  for (const Word<E>& entry : words<E>) {
    if (entry.value == value) return entry.text;
  }
  return "?";
}

/// from_word<Activation>("relu"); nothing where no such word exists.
template <class E>
constexpr std::optional<E> from_word(std::string_view text) {
  static_assert(!words<E>.empty(), "the enum needs a table in deck/words.hpp");
  for (const Word<E>& entry : words<E>) {
    if (entry.text == text) return entry.value;
  }
  return std::nullopt;
}

}  // namespace dfascale
