#include "emulator/native/recorder.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "emulator/error.hpp"

namespace bytecpu::native {

Recorder::Recorder(const InstructionSet& set, const Layout& layout, const UnicornEngine& engine)
    : set_(set),
      about_(set.about()),
      layout_(layout),
      engine_(engine),
      at_(about_),
      address_(addresses_of(about_, layout.memory_bytes)),
      full_(about_.full()),
      fixed_bytes_(static_cast<uint64_t>(layout.data_offset)),
      data_bytes_(static_cast<uint64_t>(layout.memory_bytes - layout.data_offset)),
      record_(static_cast<size_t>(layout.record_bytes)) {
  ids_.push_back(about_.flags_id);
  for (const Register& r : about_.registers) ids_.push_back(r.id);
  values_.resize(ids_.size());
  for (uint64_t& value : values_) pointers_.push_back(&value);
}

void Recorder::begin(std::span<const uint8_t> state) {
  std::ranges::fill(record_, 0);
  inner_reads_ = 0;
  written_ = ~uint32_t{0};
  values_[0] = set_.unpack_flags(state[static_cast<size_t>(at_.flags)]);
  const int bytes = about_.register_bytes;
  for (size_t i = 1; i < values_.size(); ++i) {
    values_[i] = load(state.data() + at_.registers + bytes * static_cast<int>(i - 1), bytes);
  }
  const uc_err error =
      uc_reg_write_batch(engine_.get(), ids_.data(), pointers_.data(), static_cast<int>(ids_.size()));
  if (error != UC_ERR_OK) throw Error("Unicorn: writing registers: {}", uc_strerror(error));
}

void Recorder::check_registers(std::span<const uint8_t> out) {
  read_all_registers();
  BYTECPU_CHECK(
      std::equal(record_.begin() + at_.registers, record_.end(), out.end() - (at_.end - at_.registers)));
}

// Of the full layout: flags, and the registers that may have changed, as reading all takes longer than all else.
void Recorder::read_registers() {
  constexpr int most = 4;
  if (std::popcount(written_) > most) return read_all_registers();
  std::array<int, most + 1> ids = {ids_[0]};
  std::array<void*, most + 1> pointers = {pointers_[0]};
  std::array<int, most> changed{};
  int count = 0;
  for (uint32_t left = written_; left != 0; left &= left - 1) {
    const int r = std::countr_zero(left);
    changed[static_cast<size_t>(count++)] = r;
    ids[static_cast<size_t>(count)] = ids_[static_cast<size_t>(r) + 1];
    pointers[static_cast<size_t>(count)] = pointers_[static_cast<size_t>(r) + 1];
  }
  uc_reg_read_batch(engine_.get(), ids.data(), pointers.data(), count + 1);
  uint8_t* record = record_.data();
  record[at_.flags] = set_.pack_flags(static_cast<uint32_t>(values_[0]));
  for (int i = 0; i < count; ++i) {
    const int r = changed[static_cast<size_t>(i)];
    store(record + at_.registers + 8 * r, values_[static_cast<size_t>(r) + 1], 8);
  }
}

// Where an access lies in the memory image; nothing where not all of it does.
std::optional<uint64_t> Recorder::image_offset(uint64_t address, uint64_t size) const {
  const auto within = [&](uint64_t base, uint64_t bytes) {
    return address >= base && address - base <= bytes && size <= bytes - (address - base);
  };
  if (within(address_.data, data_bytes_)) return layout_.data_offset + (address - address_.data);
  if (within(address_.code, fixed_bytes_)) return address - address_.code;
  return std::nullopt;
}

// Of an access so far, that it goes on here: parts that lie one after the other are one access. `size_at`: the place
// of the field READ_SIZE or WRITE_SIZE. Returns the bytes before this part. Of two reads in different places, which CMPS
// has, the second one counts.
uint64_t Recorder::note_access(int size_at, uint64_t offset, uint64_t size) {
  uint8_t* record = record_.data();
  uint64_t begun = record[size_at];
  const bool goes_on = begun > 0 && offset == load(record + at_.access_offset, about_.offset_bytes) + begun;
  if (!goes_on) {
    BYTECPU_CHECK(begun == 0 || (full_ && size_at == at_.read_size));
    begun = 0;
    store_offset(record + at_.access_offset, offset);
  }
  record[size_at] = static_cast<uint8_t>(begun + size);
  return begun;
}

// Not called for what is fetched.
std::optional<StopReason> Recorder::on_read(uint64_t address, uint64_t size) {
  if (inner_reads_ > 0) {
    --inner_reads_;
    return std::nullopt;
  }
  const auto offset = image_offset(address, size);
  if (!offset) return StopReason::memory_fault;
  constexpr uint64_t page = 4096;
  if (address % page + size > page) inner_reads_ = 2;
  note_access(at_.read_size, *offset, size);
  return std::nullopt;
}

// Where the instruction has read elsewhere, the offset is the write's.
std::optional<StopReason> Recorder::on_write(uint64_t address, uint64_t size, uint64_t value) {
  const auto offset = image_offset(address, size);
  if (!offset || *offset < static_cast<uint64_t>(layout_.data_offset)) {
    const bool code = address >= address_.code && address < address_.code + fixed_bytes_;
    return code ? StopReason::code_write : StopReason::memory_fault;
  }
  const uint64_t begun = note_access(at_.write_size, *offset, size);
  BYTECPU_CHECK(begun + size <= static_cast<uint64_t>(about_.value_bytes));
  store(record_.data() + at_.write_value + begun, value, static_cast<int>(size));
  return std::nullopt;
}

}  // namespace bytecpu::native
