// The webcam: one frame after the other, each asked for when the last has been answered.
const LONGEST = 640;

export class Camera {
  constructor(onFrame) {
    this.onFrame = onFrame;
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true });
  }

  get on() {
    return Boolean(this.stream);
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give the webcam only to pages on this machine (localhost) or over https.");
    }
    try {
      const video = { width: { ideal: LONGEST }, facingMode: "user" };
      this.stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch (error) {
      throw new Error(`No webcam: ${error.message || error.name}.`);
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.run();
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
  }

  async run() {
    while (this.on) {
      const frame = await this.grab();
      if (this.on) await this.onFrame(frame);
    }
  }

  grab() {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, LONGEST / Math.max(videoWidth, videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(videoWidth * scale);
    canvas.height = Math.round(videoHeight * scale);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
  }
}
