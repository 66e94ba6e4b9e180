// How probable files are to a model.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "model/network/byte_model.hpp"

namespace bytecpu {

// Of each document the negative log-likelihood, in nats, of its steps and its end, each byte from the true ones
// before it. In batches of at most so many patches, or of one document. Calls `done` with how many documents are
// finished. Throws Error where a document is longer than the model takes.
std::vector<double> nats_of(ByteModel& model, std::span<const Document> documents, int64_t batch_patches,
                            const std::function<void(int64_t)>& done = {});

// Of a file the probability of each of the model's labels (Frame::labels) among them all; they add up to 1.
std::vector<double> label_probabilities(ByteModel& model, const Document& file);

}  // namespace bytecpu
