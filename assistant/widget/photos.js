// Photos before they are sent: upright, no larger than the desk looks at, with a preview.
// Everything is drawn on canvases, which no content security policy forbids.

const LONGEST_SIDE = 2048;
const AS_IT_IS_BYTES = 2_500_000;
const PREVIEW_SIDE = 320;

/** Some browsers blur what is read back from a canvas, against fingerprinting. */
const canvasIsHonest = () => {
  const context = el("canvas", { width: 2, height: 2 }).getContext("2d");
  if (context === null) return false;
  context.fillStyle = "rgb(12, 200, 77)";
  context.fillRect(0, 0, 2, 2);
  const read = context.getImageData(0, 0, 2, 2).data;
  return [0, 4, 8, 12].every(
    (at) => read[at] === 12 && read[at + 1] === 200 && read[at + 2] === 77,
  );
};

/** A canvas with a picture that is at most `longest` on its longer side. */
const drawn = (bitmap, longest, canvas = el("canvas")) => {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // JPEG knows no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
};

const decoded = async (blob) => {
  try {
    return await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    return null; // the browser cannot; the desk may, as with HEIC
  }
};

/** What is sent of a file, and a canvas to show; `canvas` is null where it cannot be shown. */
const prepared = async (file) => {
  const bitmap = await decoded(file);
  if (bitmap === null) return { blob: file, canvas: null };
  try {
    const canvas = drawn(bitmap, PREVIEW_SIDE);
    const large =
      Math.max(bitmap.width, bitmap.height) > LONGEST_SIDE || file.size > AS_IT_IS_BYTES;
    if (!large || !canvasIsHonest()) return { blob: file, canvas };
    const small = drawn(bitmap, LONGEST_SIDE);
    const blob = await new Promise((done) => small.toBlob(done, "image/jpeg", 0.9));
    return { blob: blob !== null && blob.size < file.size ? blob : file, canvas };
  } finally {
    bitmap.close();
  }
};

const isPicture = (file) =>
  file.type.startsWith("image/") || /\.(heic|heif|jpe?g|png|webp|gif|bmp|tiff?)$/i.test(file.name);

/** Shows a picture of the desk in a canvas; false where it is gone. */
const show = async (canvas, wire, id, size) => {
  let bitmap = null;
  try {
    bitmap = await decoded(await wire.picture(id, size));
  } catch {
    // Told below.
  }
  if (bitmap === null) return false;
  drawn(bitmap, size === "thumb" ? PREVIEW_SIDE : LONGEST_SIDE, canvas);
  bitmap.close();
  return true;
};
