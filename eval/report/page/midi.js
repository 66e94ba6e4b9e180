// Standard MIDI files as a player piano's roll.

// The notes as far as the file can be read, as a player does: [{start, end, channel, key}], in ticks. A track goes on to its last
// event, whatever length it tells.
function midiNotes(bytes) {
  const notes = [];
  let at = 14;
  while (at + 8 <= bytes.length && beginsWith(bytes.subarray(at), "MTrk")) at = readTrack(bytes, at + 8, notes);
  return notes;
}

// Adds a track's notes; where it ends.
function readTrack(bytes, at, notes) {
  const sounding = new Map();
  let time = 0, status = 0;
  const number = () => {
    let value = 0, byte;
    do value = value * 128 + ((byte = bytes[at++]) & 127); while (byte > 127);
    return value;
  };
  while (at < bytes.length) {
    time += number();
    if (bytes[at] > 127) status = bytes[at++];
    if (status === 0xff) {
      const type = bytes[at++], length = number();
      at += length;
      if (type === 0x2f) break;
    } else if (status >= 0xf0) {
      const length = number();
      at += length;
    } else if (status < 0x80) {
      break; // no event
    } else {
      const kind = status >> 4, key = bytes[at], velocity = bytes[at + 1];
      at += kind === 0xc || kind === 0xd ? 1 : 2;
      if (at > bytes.length) break;
      if (kind !== 8 && kind !== 9) continue;
      const channel = status & 15, name = `${channel} ${key}`, begun = sounding.get(name);
      if (begun !== undefined) notes.push({start: begun, end: time, channel, key});
      sounding.delete(name);
      if (kind === 9 && velocity > 0) sounding.set(name, time);
    }
  }
  return at;
}

// The notes of a file; those that `other`, if it is given, does not have are marked.
function pianoRoll(bytes, other) {
  const notes = midiNotes(bytes), width = 320, row = 4;
  if (!notes.length) return null;
  const named = ({start, end, channel, key}) => `${start} ${end} ${channel} ${key}`;
  const known = other === undefined ? null : new Set(midiNotes(other).map(named));
  const all = other === undefined ? notes : [...notes, ...midiNotes(other)];
  const low = Math.min(...all.map(n => n.key)), high = Math.max(...all.map(n => n.key));
  const length = Math.max(1, ...all.map(n => n.end)), height = row * (high - low + 1);
  const right = notes.filter(n => !known || known.has(named(n))).length;
  return el("div", {class: "roll"},
    svg("svg", {viewBox: `0 0 ${width} ${height}`, width, height}, ...notes.map(n => svg("rect", {
      x: (width * n.start / length).toFixed(2), y: row * (high - n.key), height: row - 1,
      width: Math.max(1, width * (n.end - n.start) / length - 0.5).toFixed(2), class: known && !known.has(named(n)) ? "wrong" : ""}))),
    soft(known ? `${counted(notes.length, "note")}, ${count(right)} of them right` : counted(notes.length, "note")));
}
