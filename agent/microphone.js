// Opens the microphone for Pipecat's page, in place of a file of its build: that one fetches a script from another
// host to do the same, and reports errors to a third. This one asks the browser, and nobody else.
// The page's transport expects an object of the shape of Daily's; only what a voice call needs of it is here.

const NONE = { persistentTrack: undefined };

class Microphone {
  #handlers = new Map();
  #devices = { camera: {}, mic: {}, speaker: {} };
  #track = null;
  #meter = null;

  constructor() {
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#tellDevices());
  }

  on(event, handler) {
    this.#handlers.set(event, [...(this.#handlers.get(event) ?? []), handler]);
    return this;
  }

  async startCamera({ startAudioOff }) {
    if (!startAudioOff) await this.#open();
    return this.#devices;
  }

  async enumerateDevices() {
    return { devices: (await navigator.mediaDevices?.enumerateDevices()) ?? [] };
  }

  async setInputDevicesAsync({ audioDeviceId }) {
    if (audioDeviceId) await this.#open(audioDeviceId);
    return this.#devices;
  }

  async setOutputDeviceAsync({ outputDeviceId }) {
    const { devices } = await this.enumerateDevices();
    const isIt = (device) => device.kind === "audiooutput" && device.deviceId === outputDeviceId;
    this.#select("speaker", devices.find(isIt) ?? { deviceId: outputDeviceId });
    return this.#devices;
  }

  setLocalAudio(isOn) {
    if (!this.#track) {
      if (isOn) this.#open();
      return;
    }
    this.#track.enabled = isOn;
    this.#emit(isOn ? "track-started" : "track-stopped", this.#local(this.#track));
  }

  participants() {
    const audio = { persistentTrack: this.#track ?? undefined };
    return { local: { tracks: { audio, video: NONE, screenAudio: NONE, screenVideo: NONE } } };
  }

  isLocalAudioLevelObserverRunning() {
    return this.#meter !== null;
  }

  async startLocalAudioLevelObserver(everyMs) {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    const samples = new Float32Array(analyser.fftSize);
    let measured = null;
    let source = null;
    this.#meter = setInterval(() => {
      if (measured !== this.#track) {
        measured = this.#track;
        source?.disconnect();
        source = measured && context.createMediaStreamSource(new MediaStream([measured]));
        source?.connect(analyser);
      }
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      this.#emit("local-audio-level", { audioLevel: measured ? Math.min(1, 4 * Math.sqrt(power)) : 0 });
    }, everyMs);
  }

  leave() {
    const track = this.#track;
    if (!track) return;
    this.#track = null;
    track.stop();
    this.#emit("track-stopped", this.#local(track));
  }

  localAudio = () => Boolean(this.#track?.enabled);
  // The agent sees nothing.
  setLocalVideo() {}
  localVideo = () => false;
  async startScreenShare() {}
  stopScreenShare() {}
  localScreenAudio = () => false;
  localScreenVideo = () => false;

  async #open(deviceId) {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: deviceId ? { deviceId: { exact: deviceId } } : true });
    } catch (error) {
      this.#emit("camera-error", { error: refusal(error) });
      return;
    }
    this.leave();
    [this.#track] = stream.getAudioTracks();
    const { devices } = await this.enumerateDevices();
    const used = this.#track.getSettings().deviceId;
    this.#select("mic", devices.find((device) => device.deviceId === used) ?? { label: this.#track.label });
    await this.#tellDevices();
    this.#emit("track-started", this.#local(this.#track));
  }

  async #tellDevices() {
    this.#emit("available-devices-updated", { availableDevices: (await this.enumerateDevices()).devices });
  }

  #select(kind, device) {
    this.#devices = { ...this.#devices, [kind]: device };
    this.#emit("selected-devices-updated", { devices: this.#devices });
  }

  #local(track) {
    return { track, type: "audio", participant: { local: true } };
  }

  #emit(event, facts) {
    for (const handler of this.#handlers.get(event) ?? []) handler({ action: event, ...facts });
  }
}

function refusal({ name, message }) {
  const media = ["audio"];
  const types = {
    NotAllowedError: "permissions",
    NotFoundError: "not-found",
    OverconstrainedError: "constraints",
    NotReadableError: "mic-in-use",
  };
  const facts = { blockedBy: "user", blockedMedia: media, missingMedia: media, failedMedia: media, reason: "invalid" };
  return { type: types[name] ?? "unknown", msg: message, ...facts };
}

let only = null;

export const t = {
  getCallInstance: () => only,
  createCallObject: () => (only = new Microphone()),
};
