// A loop over several threads.
#pragma once

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace bytecpu {

// For every index 0 … count - 1: prepare(index), in order and one at a time, then work(thread, index, what
// prepare returned), side by side. The first exception ends the loop and is thrown here.
template <typename Prepare, typename Work>
void parallel_for(int threads, size_t count, Prepare prepare, Work work) {
  std::mutex mutex;
  size_t next = 0;
  std::exception_ptr failure;
  const auto loop = [&](int thread) {
    try {
      while (true) {
        std::unique_lock lock(mutex);
        if (failure || next == count) return;
        const size_t index = next++;
        auto prepared = prepare(index);
        lock.unlock();
        work(thread, index, std::move(prepared));
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(loop, thread);
    loop(0);
  }
  if (failure) std::rethrow_exception(failure);
}

template <typename Work>
void parallel_for(int threads, size_t count, Work work) {
  parallel_for(
      threads, count, [](size_t) { return 0; }, [&](int thread, size_t index, int) { work(thread, index); });
}

}  // namespace bytecpu
