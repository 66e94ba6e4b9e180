// The charts: error rates by name, lines over steps, bars of counts. Each is drawn for a width in pixels.

const nothingToDraw = () => soft("No data.");

// A disc or a square around (x, y).
function markAt(x, y, radius, square, paint) {
  return square ? svg("rect", {x: x - radius, y: y - radius, width: 2 * radius, height: 2 * radius, ...paint})
                : svg("circle", {cx: x, cy: y, r: radius, ...paint});
}

function legend(modes) {
  if (modes.length < 2) return null;
  return soft(modes.map(mode => el("span", {class: "key"},
    el("i", {style: `background:${mode.colour};border-radius:${mode.square ? "1px" : "50%"}`}), mode.name)));
}

// ---- Error rates ----

// A rate with its interval: filled where there are errors; hollow, at the bound, where there is none.
function errorMark(rate, mode, x, y) {
  const wrong = rate.wrong > 0, at = wrong ? errorOf(rate) : mostError(rate);
  const line = svg("line", {x1: x(wrong ? leastError(rate) : 0), x2: x(mostError(rate)), y1: y, y2: y,
    stroke: mode.colour, "stroke-width": 1.5, opacity: wrong ? 0.75 : 0.6, "stroke-dasharray": wrong ? "none" : "2 3"});
  const paint = {stroke: mode.colour, "stroke-width": 1.5, fill: wrong ? mode.colour : "var(--paper)"};
  const mark = markAt(x(at), y, 3.7, mode.square, paint);
  mark.append(svg("title", {},
    `${mode.name}: ${wrongText(rate)}; accuracy ${accuracyText(rate)}, interval ${intervalText(rate)}`));
  return [line, mark];
}

// A row a name, with the error rate of each mode, on one logarithmic axis. rows: [{name, rates: {mode: rate}}].
function errorChart(rows, modes, width) {
  if (!rows.length) return nothingToDraw();
  const shown = modes.filter(mode => rows.some(row => row.rates[mode.key])), told = shown.at(-1);
  const left = Math.min(Math.max(...rows.map(row => row.name.length)) * 7 + 12, width * 0.36);
  const right = width - (width > 560 ? 200 : 10);  // where there is room, beside the chart what it says
  const top = 22, rowHeight = shown.length > 1 ? 22 : 18, height = top + rows.length * rowHeight + 8;
  const low = lowestDecade(rows.flatMap(row => Object.values(row.rates))), x = logScale(low, 0, left, right);
  const chart = newChart(width, height), every = Math.ceil(-low / Math.max(1, Math.floor((right - left) / 60)));
  for (const e of powers(low, 0))
    verticalGrid(chart, x(10 ** e), top - 4, height - 6, e % every === 0 ? percentPowerText(e) : "");
  if (width > 560 && shown.length > 1)
    chart.append(svg("text", {x: width, y: 11, "text-anchor": "end"}, told.name));
  rows.forEach((row, i) => {
    const y = top + (i + 0.5) * rowHeight, own = shown.filter(mode => row.rates[mode.key]?.total > 0);
    chart.append(svg("text", {class: "name", x: 0, y: y + 4}, row.name));
    own.forEach((mode, k) => chart.append(...errorMark(row.rates[mode.key], mode, x, own.length > 1 ? y - 4 + 8 * k : y)));
    if (width > 560 && own.length)
      chart.append(svg("text", {x: width, y: y + 4, "text-anchor": "end"}, wrongText(row.rates[own.at(-1).key])));
  });
  return chart;
}

// ---- Lines ----

const drawable = points => (points ?? []).filter(([x, y]) => isNumber(x) && isNumber(y) && y > 0);

// The line through a series' points, broken where more than its usual gap lies between two.
function linePath(series, x, y) {
  const joined = i => i > 0 && !(series.gap && series.points[i][0] - series.points[i - 1][0] > 1.5 * series.gap);
  const d = series.points.map((p, i) => (joined(i) ? "L" : "M") + x(p[0]).toFixed(1) + " " + y(p[1]).toFixed(1)).join("");
  return svg("path", {d, fill: "none", stroke: series.colour, "stroke-width": 1.6, opacity: series.soft ? 0.45 : 1});
}

function lineMarks(series, points, fill, x, y) {
  return points.map(([px, py, text]) => {
    const paint = {fill, stroke: series.colour, "stroke-width": 1.2};
    const mark = markAt(x(px), y(py), series.square ? 3.8 : 2.2, series.square, paint);
    if (text) mark.append(svg("title", {}, text));
    return mark;
  });
}

// Lines over steps, the y axis logarithmic. series: [{colour, points: [[x, y, text]], hollow: more points, drawn hollow
// and not joined, square, soft, gap}]; what is no positive number is left out.
function lineChart({series, width, xLabel, yText = percentPowerText, dots = true}) {
  const lines = series.map(s => ({...s, points: drawable(s.points), hollow: drawable(s.hollow)}));
  const all = lines.flatMap(s => [...s.points, ...s.hollow]);
  if (!all.length) return nothingToDraw();
  const height = 220, area = plotArea(width, height), chart = newChart(width, height);
  const [low, high] = decades(all.map(p => p[1])), every = Math.ceil((high - low) / 7);
  const xMax = Math.max(...all.map(p => p[0])) || 1;
  const x = linearScale(xMax, area.left, area.right), y = logScale(low, high, area.bottom, area.top);
  for (const e of powers(low, high)) horizontalGrid(chart, area, y(10 ** e), (e - low) % every === 0 ? yText(e) : "");
  bottomAxis(chart, area, xMax, x, xLabel);
  // The first on top, and its marks smaller, that those it lies on show.
  for (const s of lines.toReversed()) {
    chart.append(linePath(s, x, y), ...lineMarks(s, dots ? s.points : [], s.colour, x, y),
      ...lineMarks(s, s.hollow, "var(--paper)", x, y));
  }
  return chart;
}

// ---- Bars ----

// Ranges [first, last] over 1 … length, of equal width and at most so many.
function ranges(length, most) {
  const size = Math.max(1, Math.ceil(length / Math.max(1, most)));
  return Array.from({length: Math.ceil(length / size)},
    (_, i) => [i * size + 1, Math.min((i + 1) * size, length)]);
}

// Bars of counts by place, beside each other for each series. series: [{colour, counts}], the first count for place 1.
function barChart({series, length, width, xLabel, what}) {
  const height = 220, area = plotArea(width, height), chart = newChart(width, height);
  const bins = ranges(length, Math.floor(width / (9 * series.length))), size = bins[0][1] - bins[0][0] + 1;
  const heights = series.map(s => bins.map(([first, last]) => sum(s.counts.slice(first - 1, last))));
  const max = Math.max(...heights.flat(), 1), y = linearScale(max, area.bottom, area.top);
  for (const t of linearTicks(max, 4).filter(Number.isInteger)) horizontalGrid(chart, area, y(t), count(t));
  const slot = (area.right - area.left) / bins.length, bar = 0.84 * slot / series.length;
  bins.forEach(([first, last], i) => series.forEach((s, k) => {
    const value = heights[k][i];
    if (!value) return;
    chart.append(svg("rect", {x: area.left + slot * (i + 0.08) + bar * k, width: bar, y: y(value),
      height: area.bottom - y(value), fill: s.colour},
      svg("title", {}, `${rangeText({first, last}, xLabel)}: ${count(value)} ${what}`)));
  }));
  bottomAxis(chart, area, length, t => area.left + slot * (t - 0.5) / size, xLabel);
  return chart;
}

// "state 3", "state 3 … 5"
const rangeText = (bin, what) => bin.first === bin.last ? `${what} ${bin.first}` : `${what} ${bin.first} … ${bin.last}`;
