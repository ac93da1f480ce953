// Reads known media in a page: frame numbers from a <video>, tones and beeps from a track.
// Installed before any script of the page; counts what the page does with its connections.
// Times are performance.now() milliseconds. The block code is described in block_code.py.
(() => {
  if (window.zvonokReader) return;

  const COLUMNS = 8, ROWS = 5, CELL = 8;
  const GUARD = [1, 0, 1, 0, 1, 0, 1, 0];
  const LEAST_CONTRAST = 60;
  const FRAME_MS = 40;
  const BEEP_HZ = 2000;
  const KEPT = 20000;

  const canvas = new OffscreenCanvas(COLUMNS * CELL, ROWS * CELL);
  const paint = canvas.getContext("2d", { willReadFrequently: true });

  // The mark in what the element shows at this moment: {who, counter}, or null.
  function readMark(video) {
    const width = video.videoWidth, height = video.videoHeight;
    if (!width) return null;
    paint.drawImage(video, 0, 0, width / 2, (height * 5) / 9, 0, 0, COLUMNS * CELL, ROWS * CELL);
    const pixels = paint.getImageData(0, 0, COLUMNS * CELL, ROWS * CELL).data;
    const grey = (row, column) => {
      let sum = 0;
      for (let y = 3; y < 5; y++)
        for (let x = 3; x < 5; x++) {
          const at = 4 * ((row * CELL + y) * COLUMNS * CELL + column * CELL + x);
          sum += pixels[at] * 0.3 + pixels[at + 1] * 0.6 + pixels[at + 2] * 0.1;
        }
      return sum / 4;
    };
    let darkest = 255, lightest = 0;
    for (let column = 0; column < COLUMNS; column++) {
      for (const [row, white] of [[0, GUARD[column]], [4, 1 - GUARD[column]]]) {
        const value = grey(row, column);
        if (white) darkest = Math.min(darkest, value);
        else lightest = Math.max(lightest, value);
      }
    }
    if (darkest - lightest < LEAST_CONTRAST) return null;
    const middle = (darkest + lightest) / 2;
    let number = 0;
    for (let row = 1; row < 4; row++)
      for (let column = 0; column < COLUMNS; column++)
        number = number * 2 + (grey(row, column) > middle ? 1 : 0);
    const counter = number >> 8, who = (number >> 4) & 15;
    const check = (counter ^ (counter >> 4) ^ (counter >> 8) ^ (counter >> 12) ^ who ^ 10) & 15;
    return (number & 15) === check ? { who, counter } : null;
  }

  // Follows one <video>: every frame it presents, as [time, who or -1, counter or -1, frames
  // presented so far]: a callback may miss some while the page is busy.
  class Eye {
    constructor(video) {
      this.video = video;
      this.frames = [];
      this.open = true;
      const look = (_now, metadata) => {
        if (!this.open) return;
        const mark = readMark(video) ?? { who: -1, counter: -1 };
        this.frames.push([metadata.presentationTime, mark.who, mark.counter, metadata.presentedFrames]);
        if (this.frames.length > KEPT) this.frames.shift();
        video.requestVideoFrameCallback(look);
      };
      video.requestVideoFrameCallback(look);
    }
    close() {
      this.open = false;
    }
  }

  let context = null;

  // Follows one sound track.
  class Ear {
    constructor(track) {
      context ??= new AudioContext();
      this.track = track;
      this.source = context.createMediaStreamSource(new MediaStream([track]));
      this.analyser = context.createAnalyser();
      this.analyser.fftSize = 16384;
      this.analyser.smoothingTimeConstant = 0;
      const silent = context.createGain();
      silent.gain.value = 0;
      this.source.connect(this.analyser).connect(silent).connect(context.destination);
      this.samples = new Float32Array(this.analyser.fftSize);
      this.onsets = []; // seconds of the context's clock
      this.offsets = []; // performance.now() minus the context's clock, ms
      this.timer = setInterval(() => this.listen(), 120);
    }
    close() {
      clearInterval(this.timer);
      this.source.disconnect();
    }
    // Amplitude of one frequency over a stretch of the samples.
    level(from, count, hz) {
      let real = 0, imaginary = 0;
      const step = (2 * Math.PI * hz) / context.sampleRate;
      for (let n = from; n < from + count; n++) {
        real += this.samples[n] * Math.cos(step * n);
        imaginary += this.samples[n] * Math.sin(step * n);
      }
      return (2 * Math.hypot(real, imaginary)) / count;
    }
    listen() {
      if (context.state !== "running") return;
      this.analyser.getFloatTimeDomainData(this.samples);
      const end = context.currentTime;
      this.offsets.push(performance.now() - end * 1000);
      if (this.offsets.length > 600) this.offsets.shift();
      const hop = Math.round(context.sampleRate / 1000), window = 4 * hop;
      const levels = [];
      for (let at = 0; at + window <= this.samples.length; at += hop)
        levels.push(this.level(at, window, BEEP_HZ));
      const loudest = Math.max(...levels);
      if (loudest < 0.05) return;
      for (let n = 30; n + 30 < levels.length; n++) {
        const before = Math.max(...levels.slice(n - 30, n)), after = Math.min(...levels.slice(n + 5, n + 30));
        if (before > loudest * 0.35 || levels[n] < loudest * 0.5 || after < loudest * 0.5) continue;
        const onset = end - (this.samples.length - n * hop - window / 2) / context.sampleRate;
        if (!this.onsets.length || onset - this.onsets[this.onsets.length - 1] > 0.3) this.onsets.push(onset);
        if (this.onsets.length > KEPT) this.onsets.shift();
        break;
      }
    }
    // Times at which beeps began, ms of performance.now().
    beeps() {
      const sorted = [...this.offsets].sort((a, b) => a - b);
      const offset = sorted[sorted.length >> 1];
      return this.onsets.map((onset) => onset * 1000 + offset);
    }
    // The strongest frequency now, with its level in dB (-Infinity: silence).
    tone() {
      const levels = new Float32Array(this.analyser.frequencyBinCount);
      this.analyser.getFloatFrequencyData(levels);
      let best = 0;
      for (let n = 1; n < levels.length; n++) if (levels[n] > levels[best]) best = n;
      return { hz: (best * context.sampleRate) / this.analyser.fftSize, db: levels[best] };
    }
  }

  const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted.length ? sorted[sorted.length >> 1] : null;
  };

  // How much later than its flash each beep is seen and heard, ms in -500..500: [[time, skew], ...].
  // Every frame of the second around the beep tells where the flash is, not only the white ones.
  function skews(eye, ear) {
    return ear.beeps().flatMap((beep) => {
      const near = eye.frames.filter(([time, who]) => who >= 0 && Math.abs(time - beep) < 500);
      if (near.length < 10) return [];
      const each = near.map(([time, , counter]) => {
        const late = (beep - (time - (counter % 25) * FRAME_MS)) % 1000;
        return ((late + 1500) % 1000) - 500;
      });
      const middle = each[0]; // unwrap around one of them, so that -499 and 499 are neighbours
      const unwrapped = each.map((skew) => middle + ((((skew - middle) % 1000) + 1500) % 1000) - 500);
      return [[beep, ((median(unwrapped) + 1500) % 1000) - 500]];
    });
  }

  const connections = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class RTCPeerConnection extends Native {
    constructor(...parameters) {
      super(...parameters);
      this.counts = { setLocalDescription: 0, setRemoteDescription: 0 };
      connections.push(this);
    }
    setRemoteDescription(...parameters) {
      this.counts.setRemoteDescription++;
      return super.setRemoteDescription(...parameters);
    }
    setLocalDescription(...parameters) {
      this.counts.setLocalDescription++;
      return super.setLocalDescription(...parameters);
    }
  };

  let socketBytes = 0;
  const Socket = window.WebSocket;
  window.WebSocket = class WebSocket extends Socket {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener("message", ({ data }) => (socketBytes += data.byteLength ?? data.length));
    }
  };

  // A fake microphone plays a pure tone: what cleans voices would take it for noise.
  const devices = navigator.mediaDevices;
  if (devices) {
    const open = devices.getUserMedia.bind(devices);
    devices.getUserMedia = (wanted = {}) => {
      const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      if (!wanted.audio) return open(wanted);
      return open({ ...wanted, audio: { ...(wanted.audio === true ? {} : wanted.audio), ...raw } });
    };
  }

  const violations = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    violations.push(`${event.violatedDirective}: ${event.blockedURI || "inline"}`);
  });

  const eyes = new Map(), ears = new Map();
  window.zvonokReader = {
    connections,
    violations,
    // What came through the page's WebSockets, headers not counted.
    socketBytes: () => socketBytes,
    readMark,
    Eye,
    Ear,
    skews,
    // Follows an element or a track under a name; the same name again is a fresh start.
    watch(name, video) {
      eyes.get(name)?.close();
      eyes.set(name, new Eye(video));
    },
    listen(name, track) {
      ears.get(name)?.close();
      ears.set(name, new Ear(track));
    },
    frames: (name) => eyes.get(name).frames,
    beeps: (name) => ears.get(name).beeps(),
    tone: (name) => ears.get(name).tone(),
    skew: (eye, ear) => skews(eyes.get(eye), ears.get(ear)),
    forget() {
      for (const each of [...eyes.values(), ...ears.values()]) each.close();
      eyes.clear();
      ears.clear();
    },
    // The running connection's sender of a send section (microphone, camera, screen, screen sound).
    sent(index) {
      const live = connections.filter((each) => each.connectionState !== "closed").at(-1);
      return live?.getTransceivers().filter((each) => each.direction === "sendonly")[index]?.sender ?? null;
    },
    // The running connection's receiver of a slot (receive sections in slot order).
    slot(index) {
      const live = connections.filter((each) => each.connectionState !== "closed").at(-1);
      const receiving = live?.getTransceivers().filter((each) => each.direction === "recvonly") ?? [];
      return receiving[index]?.receiver ?? null;
    },
  };
})();
