// Files: bits a byte of each kind beside general compressors, and conversions that came out otherwise.

function kindsTable(kinds) {
  const digits = x => x.toFixed(x < 1 ? 4 : 3);
  return table(["kind", "documents", "bytes", "bits a byte", "95 % interval", "xz", "zstd"], kinds.map(k => cells([
    k.kind, count(k.documents), count(k.bytes), el("td", {class: "big"}, digits(k.bits_per_byte)),
    k.interval.map(digits).join(" … "), digits(k.compressors.xz), digits(k.compressors.zstd)])), {class: "headline"});
}

const fileBytes = hex => new Uint8Array((hex.match(/../g) ?? []).map(digits => parseInt(digits, 16)));

function isText(bytes) {
  const odd = bytes.filter(byte => byte < 9 || (byte > 13 && byte < 32) || byte === 127).length;
  try {
    new TextDecoder("utf-8", {fatal: true}).decode(bytes);
    return odd === 0;
  } catch {
    return false;
  }
}

const beginsWith = (bytes, text) => [...text].every((c, i) => bytes[i] === c.charCodeAt(0));

// A file as what it is: a picture, a sound, music, text, else bytes; notes and bytes that differ from `other` are marked.
function shownFile(bytes, other) {
  const blob = type => URL.createObjectURL(new Blob([bytes], {type}));
  if (beginsWith(bytes, "BM")) return el("img", {src: blob("image/bmp"), alt: "", class: "file"});
  if (beginsWith(bytes, "RIFF")) return el("audio", {src: blob("audio/wav"), controls: ""});
  const roll = beginsWith(bytes, "MThd") ? pianoRoll(bytes, other) : null;
  if (roll) return roll;
  const text = isText(bytes), most = 2048;
  const glyph = byte => text ? String.fromCharCode(byte) : byte.toString(16).padStart(2, "0") + " ";
  const parts = [];
  let run = "", marked = false;
  const close = () => { if (run) parts.push(marked ? el("mark", {}, run) : run); run = ""; };
  bytes.subarray(0, most).forEach((byte, i) => {
    const differs = other !== undefined && byte !== other[i];
    if (differs !== marked) close();
    marked = differs;
    run += glyph(byte);
  });
  close();
  return el("pre", {class: "file"}, parts, bytes.length > most ? " …" : null);
}

function wrongFile({name, context, truth, predicted, ended}) {
  const [from, right, made] = [context, truth, predicted].map(fileBytes);
  const differs = made.findIndex((byte, i) => byte !== right[i]);
  const place = differs < 0 ? Math.min(made.length, right.length) : differs;
  return details(`${name}: differs from byte ${count(place)} of ${count(right.length)}${ended ? "" : ", was cut"}`,
    table(["made from", "right", "made"], [cells([shownFile(from), shownFile(right), shownFile(made, right)])]));
}

function conversions(kinds) {
  return kinds.filter(kind => kind.equal).map(kind => [
    el("h3", {}, `${kind.kind}: ${count(kind.equal.right)} of ${count(kind.equal.total)} files equal to the last byte`),
    soft(`${accuracyText(kind.equal)} (95 % interval ${intervalText(kind.equal)}); `,
      `${count(kind.ended.right)} of ${count(kind.ended.total)} ended by themselves. By the most probable bytes.`),
    kind.examples.map(wrongFile)]);
}

// Rows: the right label; columns: the one given.
function confusion({labels, right, confusion: counts}) {
  const rows = labels.map((label, i) => cells([label, ...counts[i].map((n, j) =>
    el("td", i !== j && n ? {class: "wrong"} : {}, n ? count(n) : ""))]));
  return [
    el("h3", {}, `Labels: ${count(right.right)} of ${count(right.total)} right`),
    soft(`${accuracyText(right)} (95 % interval ${intervalText(right)}). A row for each right label, a column for each given.`),
    table(["", ...labels], rows)];
}

function files(doc) {
  if (!doc.kinds) return null;
  return section("Files",
    doc.kinds.length ? kindsTable(doc.kinds) : null,
    doc.kinds.length ? soft("Bits a byte: all nats of a file's bytes and of its end, over its bytes. xz and zstd: what the same ",
      "bytes add to a stream in which the training bytes of their kind come first. Intervals take documents as independent.") : null,
    conversions(doc.kinds), doc.labels ? confusion(doc.labels) : null);
}
