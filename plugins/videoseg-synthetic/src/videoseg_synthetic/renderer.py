"""``SceneRenderer``: draws a scene frame by frame, with the exact label of each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videoseg.types import BoolArray, FloatArray, Frame, IntArray
from videoseg_synthetic.scene import Post, Scene, SceneObject
from videoseg_synthetic.shapes import outline, shape_alpha
from videoseg_synthetic.textures import background, object_texture, post_texture

__all__ = ["POST_LABEL", "Layout", "SceneRenderer"]

POST_LABEL = 255
"""Label of pixels that belong to a foreground bar."""

# The light comes from the upper left. Lengths are fractions of the object's radius.
_SHADOW_OFFSET = 0.22  # to the right
_SHADOW_SLOPE = 1.3  # downward, relative to the offset to the right
_SHADOW_BLUR = 0.16
_SHADOW_DARKNESS = 0.42

# Height and width, in pixels, by which the field of noise exceeds a frame.
_NOISE_MARGIN = (61, 67)


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """The labels of one frame.

    Args:
        labels: Object id of each pixel, 0 for the ground, ``POST_LABEL`` for bars; (H, W).
        covered: ``covered[front, behind]`` is the number of pixels on which an object hides
            another one, by id; row 0 is for bars. Shape (N + 1, N + 1).
        amodal_areas: Pixels of each object inside the picture, hidden ones included, by id,
            shape (N + 1,).
    """

    labels: Frame
    covered: IntArray
    amodal_areas: IntArray


@dataclass(frozen=True, eq=False, slots=True)
class _Patch:
    surface: Frame  # (side, side, 4): RGB and coverage
    alpha: Frame  # (side, side): coverage alone
    shadow: Frame  # (side, side): darkness of the soft shadow
    half: float


class SceneRenderer:
    """Draws the frames of a scene in any order; the same frame always has the same bytes.

    Args:
        scene: What to draw.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        height, width = scene.size
        rng = np.random.default_rng((scene.seed, 1))
        ground = (height + 2 * scene.margin, width + 2 * scene.margin)
        num_shots = int(scene.shots.max()) + 1
        self._grounds = [background(rng, ground) for _ in range(num_shots)]
        self._patches = {item.object_id: self._draw_object(item) for item in scene.objects}
        self._posts = [(post, self._draw_post(post)) for post in scene.posts]
        self._painting_order = sorted(scene.objects, key=lambda item: -item.depth)
        self._noise = self._draw_noise() if scene.noise > 0 else None

    @property
    def mean_ground(self) -> list[FloatArray]:
        """Mean RGB of the ground of each shot."""
        return [ground.reshape(-1, 3).mean(axis=0) for ground in self._grounds]

    def render(self, index: int, *, noise_index: int | None = None) -> Frame:
        """Return one frame, RGB uint8, shape (H, W, 3).

        Args:
            index: Which frame of the scene.
            noise_index: Which draw of the sensor noise; by default that of the frame.
        """
        import cv2

        scene = self.scene
        height, width = scene.size
        camera = scene.camera[index]
        shift = _translation(scene.margin + camera[0], scene.margin + camera[1])
        ground = cv2.warpAffine(
            self._grounds[int(scene.shots[index])],
            shift,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        frame: Frame = np.asarray(ground, dtype=np.uint8)
        if scene.shadows:
            for item in self._painting_order:
                self._paint_shadow(frame, item, index)
        for item in self._painting_order:
            self._paint_object(frame, item, index)
        for post, surface in self._posts:
            self._paint_post(frame, post, surface, index)
        gain = float(scene.brightness[index])
        if gain != 1.0:
            frame = np.asarray(cv2.convertScaleAbs(frame, alpha=gain), dtype=np.uint8)
        if self._noise is not None:
            draw = index if noise_index is None else noise_index
            frame = self._add_noise(frame, self._noise, draw)
        return frame

    def layout(self, index: int) -> Layout:
        """Return the labels of one frame; an object has the pixels that it covers by half."""
        scene = self.scene
        height, width = scene.size
        count = max((item.object_id for item in scene.objects), default=0) + 1
        labels = np.zeros((height, width), dtype=np.uint8)
        covered = np.zeros((count, count), dtype=np.int64)
        amodal = np.zeros(count, dtype=np.int64)
        extents: list[tuple[int, slice, slice, BoolArray]] = []
        for item in self._painting_order:
            placed = self._place(item, index, channels=self._patches[item.object_id].alpha)
            if placed is None:
                continue
            rows, columns, alpha = placed
            inside = np.asarray(alpha > 127)
            extents.append((item.object_id, rows, columns, inside))
            labels[rows, columns][inside] = item.object_id
        for post, _ in self._posts:
            left, right = self._post_columns(post, index)
            labels[:, left:right] = POST_LABEL
        for object_id, rows, columns, inside in extents:
            on_top = np.bincount(labels[rows, columns][inside], minlength=POST_LABEL + 1)
            amodal[object_id] = int(inside.sum())
            covered[:, object_id] = on_top[:count]
            covered[object_id, object_id] = 0
            covered[0, object_id] = on_top[POST_LABEL]
        return Layout(labels, covered, amodal)

    def amodal_mask(self, index: int, object_id: int) -> BoolArray:
        """Return an object's mask inside the picture, hidden parts included."""
        mask = np.zeros(self.scene.size, dtype=bool)
        item = next(item for item in self.scene.objects if item.object_id == object_id)
        placed = self._place(item, index, channels=self._patches[object_id].alpha)
        if placed is not None:
            rows, columns, alpha = placed
            mask[rows, columns] = alpha > 127
        return mask

    def _place(
        self,
        item: SceneObject,
        index: int,
        *,
        channels: Frame,
        offset: tuple[float, float] = (0.0, 0.0),
    ) -> tuple[slice, slice, Frame] | None:
        """Rotate a patch and move it to its object; None if that is outside the picture."""
        import cv2

        height, width = self.scene.size
        center = item.positions[index] - self.scene.camera[index] + np.asarray(offset)
        half = self._patches[item.object_id].half
        left, top = int(np.floor(center[0] - half)), int(np.floor(center[1] - half))
        right, bottom = int(np.ceil(center[0] + half)) + 1, int(np.ceil(center[1] + half)) + 1
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, width), min(bottom, height)
        if left >= right or top >= bottom:
            return None
        cos, sin = float(np.cos(item.angles[index])), float(np.sin(item.angles[index]))
        # Output pixel -> patch pixel. Whole numbers are pixel centers on both sides.
        x, y = left + 0.5 - float(center[0]), top + 0.5 - float(center[1])
        middle = (channels.shape[0] - 1) / 2
        inverse = np.array(
            [
                [cos, sin, cos * x + sin * y + middle],
                [-sin, cos, -sin * x + cos * y + middle],
            ]
        )
        placed = cv2.warpAffine(
            channels,
            inverse,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        return slice(top, bottom), slice(left, right), np.asarray(placed, dtype=np.uint8)

    def _paint_object(self, frame: Frame, item: SceneObject, index: int) -> None:
        placed = self._place(item, index, channels=self._patches[item.object_id].surface)
        if placed is None:
            return
        rows, columns, patch = placed
        alpha = patch[..., 3:].astype(np.float32) * (1 / 255)
        region = frame[rows, columns]
        # Outside the rotated patch the color is black and coverage 0.
        blended = region + alpha * (patch[..., :3].astype(np.float32) - region)
        region[...] = np.rint(blended).astype(np.uint8)

    def _paint_shadow(self, frame: Frame, item: SceneObject, index: int) -> None:
        reach = _SHADOW_OFFSET * item.radius
        placed = self._place(
            item,
            index,
            channels=self._patches[item.object_id].shadow,
            offset=(reach, reach * _SHADOW_SLOPE),
        )
        if placed is None:
            return
        rows, columns, darkness = placed
        region = frame[rows, columns]
        kept = (256 - darkness.astype(np.uint16))[..., None]
        region[...] = ((region * kept) >> 8).astype(np.uint8)

    def _paint_post(self, frame: Frame, post: Post, surface: Frame, index: int) -> None:
        left, right = self._post_columns(post, index)
        if left >= right:
            return
        start = left - round(post.x - float(self.scene.camera[index][0]))
        shade = slice(right, min(right + max(2, round(post.width * 0.2)), frame.shape[1]))
        frame[:, shade] = (frame[:, shade].astype(np.uint16) * 190 >> 8).astype(np.uint8)
        frame[:, left:right] = surface[: frame.shape[0], start : start + right - left]

    def _post_columns(self, post: Post, index: int) -> tuple[int, int]:
        # Posts move by whole pixels, so that their edges need no blending.
        left = round(post.x - float(self.scene.camera[index][0]))
        width = self.scene.size[1]
        return min(max(left, 0), width), min(max(left + round(post.width), 0), width)

    def _draw_object(self, item: SceneObject) -> _Patch:
        import cv2

        rng = np.random.default_rng((self.scene.seed, 2, item.seed))
        points = outline(rng, item.shape)
        reach = float(np.hypot(points[:, 0], points[:, 1]).max()) * item.radius
        blur = max(1.0, _SHADOW_BLUR * item.radius)
        half = reach + 2 * blur + 2
        side = 2 * int(np.ceil(half)) + 1
        alpha = shape_alpha(points, radius=item.radius, side=side)
        surface = np.dstack(
            [object_texture(rng, item.texture, side=side, rgb=item.rgb).astype(np.float32), alpha]
        )
        inner = cv2.erode(alpha, np.ones((3, 3), np.uint8), iterations=1).astype(np.float32)
        rim = cv2.GaussianBlur(255 - inner, (0, 0), max(0.6, item.radius * 0.04)) / 255
        # Small objects are nearly all rim; they must keep their color.
        surface[..., :3] *= (1 - min(0.35, 0.02 * item.radius) * rim)[..., None]
        shadow = cv2.GaussianBlur(alpha, (0, 0), blur).astype(np.float32) * _SHADOW_DARKNESS
        return _Patch(surface.astype(np.uint8), alpha, shadow.astype(np.uint8), side / 2)

    def _draw_post(self, post: Post) -> Frame:
        rng = np.random.default_rng((self.scene.seed, 3, post.seed))
        return post_texture(rng, (self.scene.size[0], round(post.width)))

    def _draw_noise(self) -> IntArray:
        # One field, cropped at a random place for each frame, instead of new noise each time.
        height, width = self.scene.size
        rng = np.random.default_rng((self.scene.seed, 4))
        field = rng.normal(
            0.0, self.scene.noise, (height + _NOISE_MARGIN[0], width + _NOISE_MARGIN[1], 3)
        )
        return np.rint(field).astype(np.int16)

    def _add_noise(self, frame: Frame, noise: IntArray, index: int) -> Frame:
        import cv2

        height, width = self.scene.size
        rng = np.random.default_rng((self.scene.seed, 5, index))
        top, left = (int(rng.integers(margin)) for margin in _NOISE_MARGIN)
        field = np.ascontiguousarray(noise[top : top + height, left : left + width])
        noisy = cv2.add(frame, field, dtype=cv2.CV_8U)
        return np.asarray(noisy, dtype=np.uint8)


def _translation(x: float, y: float) -> FloatArray:
    return np.array([[1.0, 0.0, float(x)], [0.0, 1.0, float(y)]])
