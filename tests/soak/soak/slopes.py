"""Whether a figure grows: the median of the slopes between all pairs of its samples (Theil and Sen), which single
outliers, as faults are, do not move."""

import statistics

SAMPLES_MAX = 400  # of a process: pairs are their square
WARM_UP_SECONDS = 150  # of a process, and of the run: pools fill, the first sessions have not ended yet


class Series:
    """Samples of one figure, of one process after the other: what is compared belongs to the same process."""

    def __init__(self, name, unit):
        self.name, self.unit = name, unit
        self.samples = {}  # of each process: (seconds, value)

    def add(self, seconds, value, who=0):
        self.samples.setdefault(who, []).append((seconds, value))

    def settled(self):
        """Of each process, the samples that count: after its warm-up, thinned out."""
        for samples in self.samples.values():
            kept = [sample for sample in samples if sample[0] >= samples[0][0] + WARM_UP_SECONDS]
            if len(kept) >= 3:
                yield kept[:: len(kept) // SAMPLES_MAX + 1]

    def slope_per_second(self):
        """None: no process lived long enough."""
        slopes = [(later[1] - earlier[1]) / (later[0] - earlier[0])
                  for samples in self.settled()
                  for at, earlier in enumerate(samples)
                  for later in samples[at + 1:]]
        return statistics.median(slopes) if slopes else None

    def level(self):
        return statistics.median(value for samples in self.settled() for _, value in samples)

    def spread(self):
        values = [value for samples in self.settled() for _, value in samples]
        return min(values), max(values)

    def seconds(self):
        """From the first sample that counts to the last."""
        times = [seconds for samples in self.settled() for seconds, _ in samples]
        return max(times) - min(times)


def allowance(series):
    """How much a figure may grow over the whole run, and be called flat: what the noise of such a run comes to."""
    level = abs(series.level())
    if series.unit == "KiB":
        return 512 + level * 0.05
    if series.unit == "ms":
        return 0.2 + level * 0.25
    return 2 + level * 0.1


def verdict(series):
    """A row of the report; `is_flat` is None when there were too few samples."""
    slope = series.slope_per_second()
    row = {"name": series.name, "unit": series.unit, "processes": len(series.samples), "is_flat": None}
    if slope is None:
        return row
    growth = slope * series.seconds()
    return row | {
        "level": series.level(), "least": series.spread()[0], "most": series.spread()[1],
        "slope_per_hour": slope * 3600, "growth": growth, "allowance": allowance(series),
        "is_flat": growth <= allowance(series),
    }  # fmt: skip


# -------------------- self-test --------------------


def made_up(value_at, seconds=2400, every=10, unit="KiB", lives=1):
    series = Series("made up", unit)
    for at in range(0, seconds, every):
        series.add(at, value_at(at), at * lives // seconds)
    return series


def self_test():
    """A leak has to be found, and what is none has to pass."""
    noise = [((number * 7919) % 101 - 50) / 50 for number in range(10000)]
    flat = verdict(made_up(lambda at: 9000 + 200 * noise[at]))
    assert flat["is_flat"], flat
    spikes = verdict(made_up(lambda at: 9000 + (5000 if at % 300 == 0 else 0)))
    assert spikes["is_flat"], spikes
    leak = verdict(made_up(lambda at: 9000 + 200 * noise[at] + at * 1024 / 1000))
    assert leak["is_flat"] is False and 3500 < leak["slope_per_hour"] < 3900, leak
    # Each process begins anew, and leaks: the figure as a whole goes nowhere.
    renewed = verdict(made_up(lambda at: 9000 + at % 600 * 2, lives=4))
    assert renewed["is_flat"] is False, renewed
    warm_up = verdict(made_up(lambda at: 9000 + min(at, 140) * 20))
    assert warm_up["is_flat"], warm_up
    descriptors = verdict(made_up(lambda at: 40 + at // 300, unit=""))
    assert descriptors["is_flat"] is False, descriptors
    assert verdict(made_up(lambda at: 1, seconds=100))["is_flat"] is None
