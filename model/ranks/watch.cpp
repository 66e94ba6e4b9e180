#include "model/ranks/watch.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <future>
#include <memory>
#include <utility>

namespace bytecpu {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto between = 2s, patience = 30s, verdict_patience = 5s;
constexpr int question = 0, reply = 1;
constexpr auto verdict = "lost";

// Neither destructors nor exit handlers: the main thread is at work, or waits for a rank that does not come. Checkpoints are
// whole or not there whenever a process ends.
[[noreturn]] void end_process() { std::_Exit(EXIT_FAILURE); }

}  // namespace

Watch::Watch(GlooGroup group, Store store, const Launch& launch, std::vector<std::string> machines)
    : group_(std::move(group)), store_(std::move(store)), launch_(launch), machines_(std::move(machines)) {
  thread_ = std::thread([this] { launch_.rank == 0 ? ask() : answer(); });
}

Watch::~Watch() {
  if (thread_.joinable()) leave(failed);
}

void Watch::leave(int64_t word) {
  {
    const std::lock_guard lock(mutex_);
    word_ = word;
  }
  leaving_.notify_all();
  thread_.join();
}

void Watch::wait_for_verdict() { std::this_thread::sleep_for(between + 2 * patience); }

void Watch::ask() {
  for (;;) {
    std::unique_lock lock(mutex_);
    leaving_.wait_for(lock, between, [this] { return word_ != alive; });
    const int64_t word = word_;
    lock.unlock();
    if (word != alive) return tell_others(word);

    const auto start = Clock::now();
    int lost = 0;
    for (int rank = 1; rank < launch_.size; ++rank) {
      if (!send(alive, rank) && lost == 0) lost = rank;
    }
    for (int rank = 1; rank < launch_.size && lost == 0; ++rank) {
      int64_t answered = 0;
      if (!receive(answered, rank, patience)) lost = rank;
    }
    if (lost == 0) continue;
    tell(lost, Clock::now() - start);
    try {
      store_->set(verdict, std::vector<uint8_t>{1});
      // The store may be in this process.
      std::this_thread::sleep_for(verdict_patience / 2);
    } catch (const std::exception&) {
    }
    end_process();
  }
}

void Watch::answer() {
  for (;;) {
    int64_t word = 0;
    const auto start = Clock::now();
    // Longer than the first may wait for another rank's answer.
    const bool heard = receive(word, 0, between + patience + patience / 3);
    if (heard && word == finished) return;
    if (heard && word == failed) end_process();
    {
      const std::lock_guard lock(mutex_);
      if (word_ == failed) return;
    }
    if (heard && send(alive, 0)) continue;
    const auto silent_for = Clock::now() - start;
    if (first_has_told()) end_process();
    // One on each machine says it.
    if (launch_.rank == 1 || launch_.local_rank == 0) tell(0, silent_for);
    end_process();
  }
}

bool Watch::send(int64_t word, int rank) {
  try {
    std::vector<at::Tensor> message = {at::full({1}, word, at::kLong)};
    return group_->send(message, rank, rank == 0 ? reply : question)->wait(patience);
  } catch (const std::exception&) {
    return false;
  }
}

bool Watch::receive(int64_t& word, int rank, std::chrono::milliseconds longest) {
  try {
    std::vector<at::Tensor> message = {at::zeros({1}, at::kLong)};
    if (!group_->recv(message, rank, rank == 0 ? question : reply)->wait(longest)) return false;
    word = message[0].item<int64_t>();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void Watch::tell_others(int64_t word) {
  for (int rank = 1; rank < launch_.size; ++rank) send(word, rank);
}

// In a thread of its own: where the first process, which holds the store, stands still, LibTorch 2.6 waits for it for ever.
bool Watch::first_has_told() const {
  const auto told = std::make_shared<std::promise<bool>>();
  auto answer = told->get_future();
  std::thread([told, store = store_] {
    try {
      store->wait({verdict}, verdict_patience);
      told->set_value(true);
    } catch (const std::exception&) {
      told->set_value(false);
    }
  }).detach();
  return answer.wait_for(verdict_patience + between) == std::future_status::ready && answer.get();
}

void Watch::tell(int rank, Clock::duration silent_for) const {
  const auto line = fmt::format(
      "bytecpu-train: process {} of {}, on {}, {}: all end here; --resume goes on from the last checkpoint\n",
      rank, launch_.size, machines_[rank],
      silent_for < patience ? std::string("has ended")
                            : fmt::format("has not answered for {} seconds", patience.count()));
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace bytecpu
