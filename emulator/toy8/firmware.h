// What toy8's firmware and its host exchange: one structure in memory that both see. Addresses are those of the
// guest.
#pragma once

#include <stdint.h>

enum toy8_stop { TOY8_RUNNING, TOY8_HALTED, TOY8_STEP_LIMIT, TOY8_ILLEGAL, TOY8_BAD_PC };

struct toy8_state {
  uint64_t low, high;  // bytes 0 … 7 and 8 … 15 of the record
};

struct toy8_result {
  uint32_t records;  // written for this trace in this call
  uint32_t stop;     // enum toy8_stop; TOY8_RUNNING: room ran out, call again
};

struct toy8_batch {
  // Set by the host.
  uint64_t starts;        // memory image ‖ state 0 of each trace, back to back
  uint64_t records;       // where states go, back to back
  uint64_t results;       // struct toy8_result of each trace
  uint64_t count;         // of traces
  uint64_t memory_bytes;  // of a memory image
  uint64_t room;          // states that fit
  uint64_t steps;         // states that a trace may have after state 0
  // Progress, kept between calls; the host sets both to 0 for new starts.
  uint64_t index;           // trace that is being run
  uint64_t taken;           // states that it has, in this call and earlier ones
  struct toy8_state state;  // its state after the last instruction, if taken > 0
};
