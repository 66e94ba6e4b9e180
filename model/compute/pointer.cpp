#include "model/compute/pointer.hpp"

#include "model/compute/backend.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr double least = 1e-8;

struct MovePointersFunction : Function<MovePointersFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& scores, const Tensor& stops,
                        const Tensor& targets, const Tensor& advances, const Tensor& jumps,
                        const Tensor& start) {
    const auto& backend = backend_on(scores.device());
    const PointerMoves moves{.scores = scores.contiguous(),
                             .stops = stops.contiguous(),
                             .targets = targets.contiguous(),
                             .advances = advances.contiguous(),
                             .jumps = jumps.contiguous(),
                             .start = start.contiguous()};
    const auto [places, sums] = backend.move_pointers(moves);
    context->save_for_backward(
        {moves.scores, moves.stops, moves.targets, moves.advances, moves.jumps, moves.start, places, sums});
    return places;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const PointerMoves moves{saved[0], saved[1], saved[2], saved[3], saved[4], saved[5]};
    const auto d =
        backend_on(saved[0].device())
            .move_pointers_backward(moves, {.places = saved[6], .sums = saved[7]}, gradients[0].contiguous());
    return {d.scores, d.stops, d.targets, d.advances, d.jumps, Tensor()};
  }
};

}  // namespace

Tensor move_pointers(const PointerMoves& m) {
  const Backend* backend = backend_for(m.scores.device(), m.scores.scalar_type());
  if (backend && backend->moves_pointers() && m.scores.scalar_type() == torch::kFloat) {
    return MovePointersFunction::apply(m.scores, m.stops, m.targets, m.advances, m.jumps, m.start);
  }
  const int64_t steps = m.scores.size(1), places = m.scores.size(2);
  if (steps == 0) return torch::zeros_like(m.scores);
  // From place i to place j: stops[j] · Π over i < k < j of (1 - stops[k]), column by column.
  std::vector<Tensor> columns;
  auto reach = torch::zeros_like(m.stops);  // of place j from each i
  for (int64_t j = 0; j < places; ++j) {
    const auto stop = m.stops.slice(1, j, j + 1);
    columns.push_back(reach * stop);
    const auto here = torch::one_hot(torch::tensor(j, m.stops.options().dtype(torch::kLong)), places);
    reach = reach * (1 - stop) + here;
  }
  const auto move = torch::stack(columns, 2);  // [N, I, I]
  auto p = m.start;
  std::vector<Tensor> rows;
  for (int64_t t = 0; t < steps; ++t) {
    const auto advance = m.advances.slice(1, t, t + 1), jump = m.jumps.slice(1, t, t + 1);
    const auto moved = torch::bmm(p.unsqueeze(1), move).squeeze(1);
    const auto q = (1 - jump) * ((1 - advance) * p + advance * moved) + jump * m.targets;
    const auto scores = m.scores.select(1, t);
    const auto fit = (q + least) * (scores - scores.amax(1, true)).exp();
    rows.push_back(p = fit / fit.sum(1, true));
  }
  return torch::stack(rows, 1);
}

}  // namespace bytecpu
