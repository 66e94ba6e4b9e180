#include "model/training/feed.hpp"

#include <utility>

#include "emulator/error.hpp"

namespace bytecpu {

BatchPlan plan(const ByteModel& model, const Pool& pool, int64_t batch_patches, uint64_t seed) {
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < pool.size(); ++i) lengths.push_back(model.length(pool[i]));
  return plan_batches(lengths, batch_patches, seed);
}

Batch batch_of(std::shared_ptr<const Pool> pool, const std::vector<size_t>& indices) {
  Batch batch{std::move(pool), {}};
  for (const size_t i : indices) batch.documents.push_back((*batch.pool)[i]);
  return batch;
}

Feed::Feed(const ByteModel& model, const TrainConfig& config, Corpus& corpus, FeedPlace& place,
           std::function<Emphasis()> next_emphasis, std::mutex& drawing, uint64_t stride)
    : model_(model),
      config_(config),
      corpus_(corpus),
      place_(place),
      next_emphasis_(std::move(next_emphasis)),
      drawing_(drawing),
      stride_(stride),
      pool_(draw(place.pool, place.emphasis).get()),
      next_pool_(draw(place.pool + stride, place.next_emphasis)),
      plan_(plan(model, *pool_, config.batch_patches, config.seed + place.pool)) {
  if (place.batch > plan_.size()) {
    throw Error("pool {} has {} batches and none of number {}: the checkpoint's training.json was altered",
                place.pool, plan_.size(), place.batch);
  }
}

Batch Feed::next() {
  constexpr int most_empty_pools = 1000;
  for (int empty = 0; place_.batch >= plan_.size(); ++empty) {
    if (empty == most_empty_pools) throw Error("{} pools in a row hold no documents", empty);
    turn_page();
  }
  return batch_of(pool_, plan_[place_.batch++]);
}

std::future<std::shared_ptr<const Pool>> Feed::draw(uint64_t index, const Emphasis& emphasis) {
  return std::async(std::launch::async, [this, index, emphasis] {
    const std::lock_guard lock(drawing_);
    Pool pool(corpus_.frame().layout);
    corpus_.fill(index, emphasis, pool);
    return std::make_shared<const Pool>(std::move(pool));
  });
}

void Feed::turn_page() {
  place_.pool += stride_;
  pool_ = next_pool_.get();
  place_.emphasis = std::exchange(place_.next_emphasis, next_emphasis_());
  next_pool_ = draw(place_.pool + stride_, place_.next_emphasis);
  plan_ = plan(model_, *pool_, config_.batch_patches, config_.seed + place_.pool);
  place_.batch = 0;
}

}  // namespace bytecpu
