"""Every bonus once more, from its formula: NumPy in float64, one step of one environment at a time.

Only weights and running moments are taken from the sources.
"""

from collections import Counter

import numpy as np

from selfplay.core.encoders import BagEncoder


def value(tensor):
    return tensor.detach().double().numpy()


def through(layers, row):
    """One row through a torch Sequential: an encoder of tokens, linear layers, ReLU."""
    row = np.asarray(row)
    for layer in layers:
        if isinstance(layer, BagEncoder):
            total, start = value(layer.bias), 0
            for token, size in zip(row, layer.sizes.tolist(), strict=True):
                if token != 0:
                    total = total + value(layer.table)[start + int(token)]
                start += size
            row = total
        elif hasattr(layer, "weight"):
            row = value(layer.weight) @ row.astype(np.float64) + value(layer.bias)
        else:
            row = np.maximum(row, 0)
    return row


def whitened(module, row):
    if module is None:
        return row
    if float(module.count) == 0:
        return np.clip(row, -5, 5)
    return np.clip((row - value(module.mean)) / np.sqrt(value(module.square) / float(module.count)), -5, 5)


class Oracle:
    """Walks through batches and keeps what an episode had; a subclass says what a step pays and what is kept."""

    def __init__(self, source, told):
        self.source, self.told = source, told
        self.episodes = {}

    def rewards(self, batch):
        steps, envs = batch.mask.shape
        self.rows = {name: [tensor.numpy() for tensor in batch.channel(name)] for name in ("obs", "state", "position")}
        out = np.zeros((steps, envs))
        for t in range(steps):
            for n in range(envs):
                if not batch.mask[t, n]:
                    self.episodes.pop(n, None)
                    continue
                if n not in self.episodes:
                    self.episodes[n] = self.begin(t, n)
                action = batch.action[t, n].double().numpy()
                if batch.action.dim() == 2:
                    action = np.eye(4)[int(action)]
                out[t, n] = self.step(t, n, action, self.episodes[n])
                if batch.terminated[t, n] or batch.truncated[t, n]:
                    del self.episodes[n]
        return out

    def now(self, t, n, channel="obs"):
        return self.rows[channel][0][t, n]

    def next(self, t, n, channel="obs"):
        return self.rows[channel][1][t, n]

    def begin(self, t, n):
        return None

    def feature(self, module, row):
        kind = type(module).__name__
        if kind == "PixelFeatures":
            if "obs" not in self.told.pixels:
                return whitened(module.whitening, row)
            return np.concatenate([value(self.told.pixels["obs"])[p, int(token)] for p, token in enumerate(row)])
        return through(module.net, whitened(module.whitening, row))


class Forward(Oracle):
    def step(self, t, n, action, _):
        guess = through(self.source.predictor, np.concatenate([self.phi(self.now(t, n)), action]))
        return sum((guess - self.phi(self.next(t, n))) ** 2)

    def phi(self, row):
        return self.feature(self.source.features, row)


class ICM(Forward):
    def step(self, t, n, action, _):
        return 1.0 / 2 * super().step(t, n, action, _)


class RND(Oracle):
    def step(self, t, n, action, _):
        return self.error(self.next(t, n))

    def error(self, row):
        net = self.source.net
        row = whitened(net.target.whitening, row)
        return sum((through(net.predictor, row) - through(net.target.net, row)) ** 2)


class Disagreement(Forward):
    def step(self, t, n, action, _):
        models = self.source.predictor
        inputs = np.concatenate([self.phi(self.now(t, n)), action])
        guesses = []
        for k in range(5):
            hidden = np.maximum(value(models.weight_1[k]) @ inputs + value(models.bias_1[k]), 0)
            guesses.append(value(models.weight_2[k]) @ hidden + value(models.bias_2[k]))
        return np.mean([np.var([guess[d] for guess in guesses]) for d in range(len(guesses[0]))])


class AMA(Forward):
    def step(self, t, n, action, _):
        out = through(self.source.predictor, np.concatenate([self.phi(self.now(t, n)), action]))
        mean, variance = out[: len(out) // 2], np.exp(10 * np.tanh(out[len(out) // 2 :] / 10) - 2)
        return max(sum((mean - self.phi(self.next(t, n))) ** 2) - 1.0 * sum(variance), 0)


class NovelD(RND):
    """Visits are told apart by the channel "state"."""

    def begin(self, t, n):
        return Counter([tuple(self.now(t, n, "state").tolist())])

    def step(self, t, n, action, visits):
        visits[tuple(self.next(t, n, "state").tolist())] += 1
        first = visits[tuple(self.next(t, n, "state").tolist())] == 1
        return max(self.error(self.next(t, n)) - 0.5 * self.error(self.now(t, n)), 0) * first


class RIDE(Oracle):
    def begin(self, t, n):
        return Counter([tuple(self.now(t, n, "state").tolist())])

    def step(self, t, n, action, visits):
        visits[tuple(self.next(t, n, "state").tolist())] += 1
        change = self.phi(self.next(t, n)) - self.phi(self.now(t, n))
        return np.sqrt(sum(change**2)) / np.sqrt(visits[tuple(self.next(t, n, "state").tolist())])

    def phi(self, row):
        return self.feature(self.source.phi, row)


class E3B(RIDE):
    def begin(self, t, n):
        phi = self.phi(self.now(t, n))
        return [0.1 * np.eye(len(phi)) + np.outer(phi, phi)]

    def step(self, t, n, action, covariance):
        phi = self.phi(self.next(t, n))
        bonus = phi @ np.linalg.inv(covariance[0]) @ phi
        covariance[0] = covariance[0] + np.outer(phi, phi)
        return bonus


class RE3(Oracle):
    """Where all states of the batch are neighbours."""

    def rewards(self, batch):
        self.mask = batch.mask
        return super().rewards(batch)

    def step(self, t, n, action, _):
        here = self.feature(self.source.features, self.next(t, n))
        others = [place for place in np.argwhere(self.mask.numpy()).tolist() if place != [t, n]]
        found = sorted(
            np.sqrt(sum((self.feature(self.source.features, self.next(*other)) - here) ** 2)) for other in others
        )
        return np.log(1 + found[2])


class Counts(Oracle):
    def __init__(self, source, told):
        super().__init__(source, told)
        self.life = Counter()

    def step(self, t, n, action, _):
        key = tuple(self.next(t, n).tolist())
        self.life[key] += 1
        return 1 / np.sqrt(self.life[key])


ORACLES = {
    "forward": Forward,
    "icm": ICM,
    "rnd": RND,
    "disagreement": Disagreement,
    "ama": AMA,
    "noveld": NovelD,
    "e3b": E3B,
    "ride": RIDE,
    "re3": RE3,
    "counts": Counts,
}
