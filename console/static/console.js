// The console's script: update the calls in progress, draw waveforms and seek in them.
"use strict";

const POLL_MS = 2000;
const SEEK_S = 5;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function cell(className, ...content) {
  const made = element("td", className);
  made.append(...content);
  return made;
}

function callRow(call) {
  const link = element("a", "", (call.started_at || "").slice(11, 19));
  link.href = "/contacts/" + encodeURIComponent(call.task_sid);
  const agents = call.connections.map((connection) => {
    const pair = element("span", "pair", (connection.extension || "unknown agent") + " ");
    pair.append(element("span", "tag " + connection.state, connection.state));
    return pair;
  });
  const streams = call.streams.map((stream) => {
    const tag = element("span", "tag " + stream.state, stream.state);
    tag.title = stream.reason || "";
    return tag;
  });
  const why = call.decision ? [element("span", "why", call.decision.reason)] : [];
  const row = element("tr");
  row.append(
    cell("num", link),
    cell("num", call.customer || "–"),
    cell("", call.direction),
    cell("", call.queue || "–"),
    cell("", ...agents),
    cell("", ...(streams.length ? streams : [element("span", "muted", "not recorded")]), ...why),
  );
  return row;
}

function keepCallsTrue(table) {
  const body = table.tBodies[0];
  const live = document.getElementById("live");
  let shown = "";
  async function poll() {
    try {
      const answer = await fetch("/api/calls", { cache: "no-store" });
      if (answer.status === 401) {
        window.location.assign("/sign-in");
        return;
      }
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      if (text !== shown) {
        const calls = JSON.parse(text).calls;
        const focused = document.activeElement && document.activeElement.getAttribute("href");
        body.replaceChildren(...calls.map(callRow));
        document.getElementById("count").textContent = calls.length;
        document.getElementById("no-calls").hidden = calls.length > 0;
        if (focused) for (const link of body.querySelectorAll("a")) {
          if (link.getAttribute("href") === focused) link.focus();
        }
        shown = text;
      }
      live.classList.remove("stale");
    } catch {
      live.classList.add("stale");
    }
    setTimeout(poll, POLL_MS);
  }
  poll();
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(canvas, peaks, played) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const before = colour("--wave-played");
  const after = colour("--wave");
  const step = width / Math.max(1, peaks.length);
  peaks.forEach((peak, index) => {
    // Speech is mostly quiet: the square root makes it visible.
    const tall = Math.max(1, Math.sqrt(peak) * (height - 4));
    pen.fillStyle = (index + 0.5) / peaks.length <= played ? before : after;
    pen.fillRect(index * step, (height - tall) / 2, Math.max(1, step - 0.4), tall);
  });
  pen.fillStyle = colour("--record");
  pen.fillRect(Math.min(width - 2, played * width), 0, 2, height);
}

async function playWithWaveform(player) {
  const audio = player.querySelector("audio");
  const answer = await fetch(player.dataset.peaks);
  if (!answer.ok) return;
  const waveform = await answer.json();
  const length = () => audio.duration || waveform.duration_ms / 1000 || 1;
  const canvases = [...player.querySelectorAll("canvas")];
  const redraw = () => {
    for (const canvas of canvases) {
      draw(canvas, waveform[canvas.dataset.side], audio.currentTime / length());
      canvas.setAttribute("aria-valuenow", Math.round(audio.currentTime));
    }
  };
  const follow = () => {
    redraw();
    if (!audio.paused) requestAnimationFrame(follow);
  };
  const seek = (seconds) => {
    audio.currentTime = Math.min(Math.max(0, seconds), length());
  };
  for (const canvas of canvases) {
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "slider");
    canvas.setAttribute("aria-label", "Position, " + canvas.previousElementSibling.textContent);
    canvas.setAttribute("aria-valuemin", 0);
    canvas.setAttribute("aria-valuemax", Math.round(length()));
    canvas.addEventListener("click", (event) => {
      seek((event.offsetX / canvas.clientWidth) * length());
    });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -SEEK_S, ArrowRight: SEEK_S };
      if (event.key in steps) seek(audio.currentTime + steps[event.key]);
      else if (event.key === "Home") seek(0);
      else if (event.key === " ") audio.paused ? audio.play() : audio.pause();
      else return;
      event.preventDefault();
    });
  }
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", redraw);
  audio.addEventListener("timeupdate", redraw);
  window.addEventListener("resize", redraw);
  redraw();
  player.dataset.ready = "true";
}

const table = document.getElementById("calls");
if (table) keepCallsTrue(table);
document.querySelectorAll(".player").forEach(playWithWaveform);
