"""The deadline of a training: how far it may run, so that the step ends within its time.

A training is planned from what was measured before it. Where the machine then turns out slower, the rest of the schedule is passed
through in fewer steps: training ends earlier, with the learning rate as low as it would have been.
"""

import dataclasses
import itertools
import math
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable

SHARE_BEFORE_CUTS = 0.5  # of the limit: before, a slow moment may pass
SHARE_OF_PACE = 0.125  # of the limit: over so long the pace is measured
MIN_MARKS = 6  # between fewer no pace is measured
SHARE_AFTER_CUT = 0.97  # of the limit: what a shortened training aims at
_TINY = 1e-9


@dataclasses.dataclass(frozen=True)
class Course:
    """A training's way through its schedule; positions are in epochs, an epoch's steps being parts of it.

    Attributes:
        epochs: Of the whole schedule.
        end: Position at which training ends.
        start: Position from which on the schedule is passed through faster.
        scheduled_start: Position in the schedule there.
    """

    epochs: int
    end: float
    start: float = 0.0
    scheduled_start: float = 0.0

    @property
    def is_shortened(self) -> bool:
        """Whether it ends before its schedule was meant to."""
        return self.end < self.epochs - _TINY

    def scheduled(self, position: float) -> float:
        """The position in the schedule at a position of the training."""
        if not self.is_shortened:
            return position
        if self.end - self.start < _TINY:
            return self.scheduled_start
        share = (position - self.start) / (self.end - self.start)
        return self.scheduled_start + share * (self.epochs - self.scheduled_start)

    def is_over(self, position: float) -> bool:
        """Whether training ends at a position."""
        return position >= self.end - _TINY

    def ending(self, position: float, end: float) -> "Course":
        """The course that goes on from a position so that it ends earlier."""
        return Course(self.epochs, end, position, self.scheduled(position))

    def told(self) -> str:
        """What a person should know of a course that was shortened."""
        return (
            f"the machine was slower than measured: to stay within train.time_limit_min, training ends after {self.end:.2f} of "
            f"{self.epochs} epochs, with the rest of the schedule in the last {self.end - self.start:.2f}"
        )


@dataclasses.dataclass
class Deadline:
    """When a step has to be done, by a clock that a resumed training continues where its checkpoint left it.

    Attributes:
        limit_s: Seconds that the step may take; infinite without a limit.
        epoch_s: Seconds that the steps of an epoch take, as measured before the training.
        between_s: Seconds from an epoch's last step to the next epoch's first, most of it validation; measured again at each.
        closing_s: Seconds that the step takes after its last validation.
        started: When the step began, by `clock`.
        clock: Gives seconds.
    """

    limit_s: float = math.inf
    epoch_s: float = 0.0
    between_s: float = 0.0
    closing_s: float = 0.0
    started: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _marks: deque[tuple[float, float]] = dataclasses.field(default_factory=deque)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return not math.isinf(self.limit_s)

    @property
    def used_s(self) -> float:
        """Seconds that the step has taken."""
        return self.clock() - self.started

    def resume(self, used_s: float) -> None:
        """Continues where an earlier attempt had used so much: what is prepared twice does not count, so the plan stays."""
        self.started = self.clock() - used_s

    def begin_epoch(self, position: float) -> None:
        """Begins an epoch: the pace is that of steps alone, so what passed since the last one does not count."""
        now = self.clock()
        if not self._marks:
            self._marks.append((now, position))
            return
        self.between_s = now - self._marks[-1][0]
        self._marks = deque((moment + self.between_s, at) for moment, at in self._marks)

    def watch(self, course: Course, position: float, num_steps: int) -> Course:
        """Shortens a course that would end too late.

        Args:
            course: The training's.
            position: Where it is, at the end of a step.
            num_steps: Of an epoch.
        """
        if not self.is_limited:
            return course
        now = self.clock()
        self._marks.append((now, position))
        while len(self._marks) > MIN_MARKS and now - self._marks[1][0] > SHARE_OF_PACE * self.limit_s:
            self._marks.popleft()
        if self.used_s < SHARE_BEFORE_CUTS * self.limit_s or self._end_s(course.end, position) <= self.limit_s:
            return course
        end = self._latest_end(position, course.end, num_steps)
        return course if end >= course.end - _TINY else course.ending(position, end)

    @property
    def pace_s(self) -> float:
        """Seconds that an epoch's steps take at the present pace, but for the longest pause; as measured before where few have passed."""
        if len(self._marks) < MIN_MARKS:
            return self.epoch_s
        marks = list(self._marks)
        steps = sorted((later - moment, end - start) for (moment, start), (later, end) in itertools.pairwise(marks))[:-1]
        return sum(seconds for seconds, _ in steps) / sum(length for _, length in steps)

    def _end_s(self, end: float, position: float) -> float:
        """Seconds that the step would have taken if training ended at a position."""
        num_validations = math.ceil(end - _TINY) - math.ceil(position - _TINY) + 1  # that of this epoch is to come
        return self.used_s + (end - position) * self.pace_s + num_validations * self.between_s + self.closing_s

    def _latest_end(self, position: float, end: float, num_steps: int) -> float:
        """The last step at which training can end in time; the present one where none can."""
        steps = range(round((end - position) * num_steps) + 1)
        in_time = bisect_right(
            steps, SHARE_AFTER_CUT * self.limit_s, key=lambda number: self._end_s(position + number / num_steps, position)
        )
        return position + max(0, in_time - 1) / num_steps
