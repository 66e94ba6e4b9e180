// Axes of charts: where a chart draws, its scales, its ticks.

// The part of a chart that its axes enclose.
const plotArea = (width, height) => ({left: 52, right: width - 12, top: 10, bottom: height - 34});

const newChart = (width, height) => svg("svg", {viewBox: `0 0 ${width} ${height}`, height, role: "img"});

const linearScale = (max, from, to) => value => from + (to - from) * value / max;
// Between two powers of ten; what is less than the lower one, zero included, is drawn there.
function logScale(low, high, from, to) {
  return value => from + (to - from) * (Math.max(Math.log10(Math.max(value, 1e-300)), low) - low) / (high - low);
}

// Exponents of ten from low to high.
const powers = (low, high) => Array.from({length: high - low + 1}, (_, i) => low + i);

// The decades that positive values lie in, at least one.
function decades(values) {
  const low = Math.floor(Math.log10(Math.min(...values)) - 1e-9);
  return [low, Math.max(Math.ceil(Math.log10(Math.max(...values)) - 1e-9), low + 1)];
}

// The lowest decade of an error axis: below every rate, and below what no error among so many can exclude.
function lowestDecade(rates) {
  const counted = rates.filter(r => r.total > 0);
  const least = counted.map(r => r.wrong ? Math.max(leastError(r), 0.2 / r.total) : mostError(r));
  return Math.min(-1, Math.floor(Math.log10(Math.min(...least, 0.1))));
}

// 10 to the power e, as a number and in per cent.
const powerText = e => e < -6 ? `1e${e}` : String(+(10 ** e).toPrecision(1));
const percentPowerText = e => (e < -6 ? `1e${e + 2}` : String(+(10 ** (e + 2)).toPrecision(1))) + " %";

// At most so many steps of 1, 2 or 5 times a power of ten, from 0 to max.
function linearTicks(max, most) {
  if (!(max > 0)) return [0];
  const raw = max / most, base = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(k => k * base).find(s => s >= raw);
  return Array.from({length: Math.floor(max / step * 1.0001) + 1}, (_, i) => i * step);
}

function horizontalGrid(chart, area, y, text) {
  chart.append(svg("line", {x1: area.left, x2: area.right, y1: y, y2: y, stroke: "var(--grid)"}));
  if (text) chart.append(svg("text", {x: area.left - 6, y: y + 4, "text-anchor": "end"}, text));
}

function verticalGrid(chart, x, top, bottom, text) {
  chart.append(svg("line", {x1: x, x2: x, y1: top, y2: bottom, stroke: "var(--grid)"}));
  if (text) chart.append(svg("text", {x, y: top - 7, "text-anchor": "middle"}, text));
}

const tickText = value => value >= 1e4 ? count(value / 1e3) + "k" : count(value);

// Ticks of whole numbers below a chart, those that lie in it, and what they count.
function bottomAxis(chart, area, max, x, label) {
  const ticks = linearTicks(max, Math.max(2, Math.floor((area.right - area.left) / 95)));
  for (const t of ticks.filter(tick => Number.isInteger(tick) && x(tick) >= area.left))
    chart.append(svg("text", {x: x(t), y: area.bottom + 16, "text-anchor": "middle"}, tickText(t)));
  chart.append(svg("text", {x: area.right, y: area.bottom + 32, "text-anchor": "end"}, label));
}
