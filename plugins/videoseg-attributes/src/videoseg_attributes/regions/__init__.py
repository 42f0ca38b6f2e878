"""The survey of a window: candidate objects found by motion and by outline, with their masks."""
