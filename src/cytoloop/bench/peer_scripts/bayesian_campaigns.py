"""Campaigns of the peers' optimisers, one experiment at a time, in JSON lines over the pipes of this process.

{"begin": LIBRARY, "ranges": {factor: [low, high]}, "seed": n}   a new campaign            -> {"ready": true}
{"ask": true}                                                   the next experiment       -> {"parameters", "seconds"}
{"tell": VALUE}                                                 what it gave (maximised)  -> {"seconds"}

Each library is used as its own documentation begins: its default model and acquisition, one thread of arithmetic.
"""

# ruff: noqa: PLC0415  (each library is loaded only when it is asked for)
import json
import logging
import os
import sys
import warnings
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
FIRST = 5


class Optuna:
    """GPSampler."""

    def __init__(self, ranges, seed):
        import optuna

        optuna.logging.disable_default_handler()
        self.ranges = ranges
        sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=FIRST)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)

    def ask(self):
        self.trial = self.study.ask()
        return {name: self.trial.suggest_float(name, low, high) for name, (low, high) in self.ranges.items()}

    def tell(self, value):
        self.study.tell(self.trial, value)


class Botorch:
    """SingleTaskGP and qLogNoisyExpectedImprovement after a Sobol' design."""

    def __init__(self, ranges, seed):
        import torch
        from botorch.utils.sampling import draw_sobol_samples

        torch.manual_seed(seed)
        torch.set_default_dtype(torch.double)
        self.ranges, self.torch = ranges, torch
        self.low = torch.tensor([low for low, _ in ranges.values()])
        self.width = torch.tensor([high - low for low, high in ranges.values()])
        self.unit = torch.tensor([[0.0] * len(ranges), [1.0] * len(ranges)])
        self.first = draw_sobol_samples(self.unit, n=FIRST, q=1, seed=seed)[:, 0]
        self.x, self.y = [], []

    def ask(self):
        count = len(self.x)
        self.x.append(self.first[count] if count < FIRST else self._modelled())
        return dict(zip(self.ranges, (self.low + self.x[-1] * self.width).tolist(), strict=True))

    def _modelled(self):
        from botorch.acquisition import qLogNoisyExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.optim import optimize_acqf
        from gpytorch.mlls import ExactMarginalLogLikelihood

        x, y = self.torch.stack(self.x), self.torch.tensor(self.y)[:, None]
        model = SingleTaskGP(x, y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogNoisyExpectedImprovement(model, x)
        return optimize_acqf(acquisition, self.unit, q=1, num_restarts=8, raw_samples=256)[0][0]

    def tell(self, value):
        self.y.append(value)


class Ax:
    """One persistent client."""

    def __init__(self, ranges, seed):
        from ax.api.client import Client
        from ax.api.configs import RangeParameterConfig

        self.client = Client(random_seed=seed)
        self.client.configure_experiment(
            parameters=[
                RangeParameterConfig(name=name, parameter_type="float", bounds=tuple(pair))
                for name, pair in ranges.items()
            ]
        )
        self.client.configure_optimization(objective="y")

    def ask(self):
        ((self.trial, parameters),) = self.client.get_next_trials(max_trials=1).items()
        return {name: float(value) for name, value in parameters.items()}

    def tell(self, value):
        self.client.complete_trial(trial_index=self.trial, raw_data={"y": value})


class Baybe:
    """A campaign with its default recommender."""

    def __init__(self, ranges, seed):
        from baybe import Campaign
        from baybe.objectives import SingleTargetObjective
        from baybe.parameters import NumericalContinuousParameter
        from baybe.searchspace import SearchSpace
        from baybe.targets import NumericalTarget
        from baybe.utils.random import set_random_seed

        set_random_seed(seed)
        factors = [NumericalContinuousParameter(name=name, bounds=tuple(pair)) for name, pair in ranges.items()]
        self.campaign = Campaign(SearchSpace.from_product(factors), SingleTargetObjective(NumericalTarget(name="y")))

    def ask(self):
        self.frame = self.campaign.recommend(batch_size=1)
        return {name: float(value) for name, value in self.frame.iloc[0].items()}

    def tell(self, value):
        self.campaign.add_measurements(self.frame.assign(y=value))


class Bofire:
    """SOBO after a Sobol' design."""

    def __init__(self, ranges, seed):
        import bofire.strategies.api as strategies
        from bofire.data_models.domain.api import Domain
        from bofire.data_models.enum import SamplingMethodEnum
        from bofire.data_models.features.api import ContinuousInput, ContinuousOutput
        from bofire.data_models.objectives.api import MaximizeObjective
        from bofire.data_models.strategies.api import SoboStrategy

        inputs = [ContinuousInput(key=name, bounds=tuple(pair)) for name, pair in ranges.items()]
        domain = Domain.from_lists(
            inputs=inputs, outputs=[ContinuousOutput(key="y", objective=MaximizeObjective(w=1.0))]
        )
        self.strategy = strategies.map(SoboStrategy(domain=domain, seed=seed))
        self.first = domain.inputs.sample(FIRST, method=SamplingMethodEnum.SOBOL, seed=seed)
        self.names, self.count = list(ranges), 0

    def ask(self):
        asked = self.first.iloc[[self.count]] if self.count < FIRST else self.strategy.ask(1)
        self.frame = asked[self.names].reset_index(drop=True)
        return {name: float(value) for name, value in self.frame.iloc[0].items()}

    def tell(self, value):
        self.count += 1
        self.strategy.tell(self.frame.assign(y=value, valid_y=1))


LIBRARIES = {"optuna": Optuna, "botorch": Botorch, "ax": Ax, "baybe": Baybe, "bofire": Bofire}


def main():
    """Answer until the pipe is closed."""
    say = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is not an answer
    campaign = None
    for line in sys.stdin:
        said = json.loads(line)
        began = perf_counter()
        if "begin" in said:
            import torch

            torch.set_num_threads(1)
            campaign = LIBRARIES[said["begin"]](said["ranges"], said["seed"])
            answer = {"ready": True}
        elif "ask" in said:
            answer = {"parameters": campaign.ask()}
        else:
            campaign.tell(said["tell"])
            answer = {}
        say.write(json.dumps({**answer, "seconds": perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main()
