// Batches of documents, one after the other. The next pool is drawn ahead, in a thread of its own.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "datagen/corpus/corpus.hpp"
#include "model/network/byte_model.hpp"
#include "model/training/batch.hpp"
#include "model/training/progress.hpp"

namespace bytecpu {

// Documents trained on together, and the pool that they lie in; batches of one step may lie in two.
struct Batch {
  std::shared_ptr<const Pool> pool;
  std::vector<Document> documents;
};

// The batches that a pool is cut into; a pure function of the pool, the configuration and the seed.
BatchPlan plan(const ByteModel& model, const Pool& pool, int64_t batch_patches, uint64_t seed);
Batch batch_of(std::shared_ptr<const Pool> pool, const std::vector<size_t>& indices);

class Feed {
 public:
  // Goes on at `place`, then with every `stride`-th pool after place.pool, and draws those after the first of
  // them with what next_emphasis() then says. Feeds that share the corpus share `drawing`, too. All that is given must
  // outlive it. Throws Error where pool after pool has nothing in it.
  Feed(const ByteModel& model, const TrainConfig& config, Corpus& corpus, FeedPlace& place,
       std::function<Emphasis()> next_emphasis, std::mutex& drawing, uint64_t stride = 1);
  Batch next();

 private:
  std::future<std::shared_ptr<const Pool>> draw(uint64_t index, const Emphasis& emphasis);
  void turn_page();

  const ByteModel& model_;
  const TrainConfig& config_;
  Corpus& corpus_;
  FeedPlace& place_;
  std::function<Emphasis()> next_emphasis_;
  std::mutex& drawing_;
  const uint64_t stride_;
  std::shared_ptr<const Pool> pool_;
  std::future<std::shared_ptr<const Pool>> next_pool_;
  BatchPlan plan_;
};

}  // namespace bytecpu
