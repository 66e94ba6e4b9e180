// toy8 itself: the step function, run by Unicorn as the guest's only program. Freestanding; one call runs a
// batch of programs and stores every state, so that Unicorn is entered once for thousands of steps and needs
// no hooks.
//
// The state lives in two machine words: a store costs Unicorn (2.0) many times what a load or arithmetic
// does, so the two that append a record are the only ones in a step.
#include "firmware.h"

#include "isa.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "byte 0 of a record is the low byte of its first word");

static unsigned get(struct toy8_state state, unsigned at) {
  return (at & 8 ? state.high : state.low) >> at % 8 * 8 & 0xFF;
}

static void set(struct toy8_state* state, unsigned at, unsigned value) {
  const uint64_t mask = (uint64_t)0xFF << at % 8 * 8, bits = (uint64_t)value << at % 8 * 8;
  const uint64_t low = (state->low & ~mask) | bits, high = (state->high & ~mask) | bits;
  state->low = at & 8 ? state->low : low;
  state->high = at & 8 ? high : state->high;
}

static unsigned operand(uint32_t code, int number) { return code >> 8 * number & 0xFF; }
static unsigned saturate(int value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

// Executes `code`, which has `count` register operands, on the state.
static void execute(struct toy8_state* state, uint32_t code, int count) {
  const unsigned opcode = operand(code, 0);
  // Offsets of the operands; ACC stands in for those that are not given. ADD … XOR with one have ACC as their
  // left.
  unsigned left = count > 0 ? TOY8_A - 1 + operand(code, 1) : TOY8_ACC;
  unsigned right = count > 1 ? TOY8_A - 1 + operand(code, 2) : TOY8_ACC;
  if (count == 1 && opcode >= TOY8_ADD && opcode <= TOY8_XOR) {
    right = left;
    left = TOY8_ACC;
  }
  unsigned target = count > 2 ? TOY8_A - 1 + operand(code, 3) : left;
  const unsigned x = get(*state, left), y = get(*state, right);
  unsigned value;
  switch (opcode) {
    case TOY8_CLR:
      value = 0;
      break;
    case TOY8_INC:
      value = saturate(x + 1);
      break;
    case TOY8_DEC:
      value = saturate((int)x - 1);
      break;
    case TOY8_SHL:
      value = x << 1 & 0xFF;
      break;
    case TOY8_SHR:
      value = x >> 1;
      break;
    case TOY8_ROL:
      value = (x << 1 & 0xFF) | x >> 7;
      break;
    case TOY8_ROR:
      value = x >> 1 | (x << 7 & 0xFF);
      break;
    case TOY8_NOT:
      value = ~x & 0xFF;
      break;
    case TOY8_PUSH:
      target = TOY8_ACC;
      value = x;
      break;
    case TOY8_POP:
      value = y;
      break;
    case TOY8_LOADI:
      value = operand(code, 1);
      break;
    case TOY8_SWAP:
      set(state, right, x);
      value = y;
      break;
    case TOY8_ADD:
      value = saturate(x + y);
      break;
    case TOY8_SUB:
      value = saturate((int)x - (int)y);
      break;
    case TOY8_MUL:
      value = saturate(x * y);
      break;
    case TOY8_DIV:
      value = y ? x / y : 255;
      break;
    case TOY8_AND:
      value = x & y;
      break;
    case TOY8_OR:
      value = x | y;
      break;
    case TOY8_XOR:
      value = x ^ y;
      break;
    case TOY8_MOV:
      value = y;
      break;
    default:
      return;
  }
  set(state, target, value);
}

// Runs the program in `image` from `state` on, writing records from `*next` to `end` at most; advances both.
// Returns why it stopped, TOY8_RUNNING if at `end`. A function of its own to leave the loop all machine
// registers.
__attribute__((noinline)) static enum toy8_stop run_trace(struct toy8_state* start, const uint8_t* image,
                                                          unsigned last, struct toy8_state** next,
                                                          const struct toy8_state* end) {
  struct toy8_state state = *start, *record = *next;
  enum toy8_stop stop = TOY8_RUNNING;
  while (record != end) {
    const unsigned pc = get(state, TOY8_PC);
    if (pc > last) {
      stop = TOY8_BAD_PC;
      break;
    }
    const uint8_t* fetched = image + pc * TOY8_INSTRUCTION_BYTES;
    uint32_t code;
    __builtin_memcpy(&code, fetched, sizeof code);
    state.low = (state.low & 0xFFFF00000000FF00) | (uint64_t)code << 8 * TOY8_IR | (pc < last ? pc + 1 : pc);
    *record++ = state;
    const int count = toy8_operands(fetched);
    if (count < 0) {
      stop = TOY8_ILLEGAL;
      break;
    }
    if (operand(code, 0) == TOY8_HLT) {
      stop = TOY8_HALTED;
      break;
    }
    execute(&state, code, count);
  }
  *start = state;
  *next = record;
  return stop;
}

__attribute__((section(".text.entry"))) void toy8_run(struct toy8_batch* batch) {
  struct toy8_state* record = (struct toy8_state*)batch->records;
  const struct toy8_state* const full = record + batch->room;
  struct toy8_result* results = (struct toy8_result*)batch->results;

  for (; batch->index < batch->count; ++batch->index) {
    const uint8_t* image = (uint8_t*)batch->starts + batch->index * (batch->memory_bytes + TOY8_RECORD_BYTES);
    if (batch->taken == 0) __builtin_memcpy(&batch->state, image + batch->memory_bytes, TOY8_RECORD_BYTES);
    const uint64_t allowed = batch->steps - batch->taken, room = full - record;
    const struct toy8_state* const first = record;
    enum toy8_stop stop = run_trace(&batch->state, image, batch->memory_bytes / TOY8_INSTRUCTION_BYTES - 1,
                                    &record, record + (allowed < room ? allowed : room));
    const uint64_t taken = record - first;
    if (stop == TOY8_RUNNING && taken == allowed) stop = TOY8_STEP_LIMIT;
    results[batch->index] = (struct toy8_result){taken, stop};
    if (stop == TOY8_RUNNING) {
      batch->taken += taken;
      return;
    }
    batch->taken = 0;
  }
}
