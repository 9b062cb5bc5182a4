"""The version of a model that answers: what it says of itself, and what may be demanded of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lartpc.adc_scale import AdcScale, adc_scale
from lartpc.errors import CheckError, UserError
from lartpc.served.contract import CONTRACTS, PATCH, Contract

EARLIER_NAMES = {"adc_era": "data_era"}
"""Parameter -> how configurations call it that were written before they said what their model is."""

UNSTATED = "unstated"
"""Score scale of a version whose configuration does not say it."""


@dataclass(frozen=True)
class Model:
    """One version of a model.

    Attributes:
        name: of the model.
        version: of it.
        contract: what it takes: patches, or planes with the places of their hits.
        digest: SHA-256 of its weights; where two agree they give the same answers.
        adc_era: ADC window of its pixels, by the year of its training data.
        score_scale: mixture in which its scores are probabilities, or ``unstated``.
        wire_step: network units of a step, of a contract in steps.
    """

    name: str
    version: int
    contract: Contract
    digest: str
    adc_era: str
    score_scale: str
    wire_step: float | None = None

    @classmethod
    def said(cls, name: str, version: int, parameters: Mapping[str, str], place: str) -> "Model":
        """What a configuration says of a version.

        Args:
            name: of the model.
            version: of it.
            parameters: of the configuration.
            place: where the model is, for messages.

        Raises:
            CheckError: it does not say enough, or what this client does not know.
        """

        def of_version(key: str) -> str:
            for each in (key, EARLIER_NAMES.get(key, key)):
                if f"v{version}.{each}" in parameters:
                    return parameters[f"v{version}.{each}"]
            raise CheckError(
                f"{name} at {place} has no parameter 'v{version}.{key}' in its configuration; "
                "export the model anew"
            )

        contract = stated_contract(name, parameters, place)
        return cls(
            name=name,
            version=version,
            contract=contract,
            digest=of_version("digest"),
            adc_era=of_version("adc_era"),
            score_scale=parameters.get(f"v{version}.score_scale", UNSTATED),
            wire_step=float(of_version("wire_step")) if contract.in_steps else None,
        )

    @property
    def scale(self) -> AdcScale:
        """The ADC window itself."""
        return adc_scale(self.adc_era)

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


def stated_contract(name: str, parameters: Mapping[str, str], place: str) -> Contract:
    """The contract that a configuration says it keeps.

    Raises:
        CheckError: this client does not know it.
    """
    said = parameters.get("contract", PATCH.name)
    if said not in CONTRACTS:
        raise CheckError(
            f"{name} at {place} is of contract {said[:40]!r}; this client knows {', '.join(CONTRACTS)}"
        )
    return CONTRACTS[said]


@dataclass(frozen=True)
class Demands:
    """What must answer; None where anything may.

    Attributes:
        digest: SHA-256 of the weights, or its beginning.
        version: of the model.
        adc_era: ADC window of the pixels, by the year of its training data.
        score_scale: the mixture in which scores are probabilities (lartpc.served.contract.SCORE_SCALES).
    """

    digest: str | None = None
    version: int | None = None
    adc_era: str | None = None
    score_scale: str | None = None

    def __post_init__(self) -> None:
        if self.adc_era is not None:
            adc_scale(self.adc_era)
        if self.digest is not None and not re.fullmatch(r"[0-9a-f]{8,64}", self.digest):
            raise UserError(f"--require-digest {self.digest}: give 8 to 64 hexadecimal digits of a SHA-256")

    def unmet(self, model: Model) -> Iterator[str]:
        """What of it does not hold, in words."""
        if self.version not in (None, model.version):
            yield f"version {model.version} answered, --require-version wants {self.version}"
        if self.digest is not None and not model.digest.startswith(self.digest):
            yield f"digest {model.digest[:12]} answered, --require-digest wants {self.digest[:12]}"
        if self.adc_era not in (None, model.adc_era):
            yield f"ADC era {model.adc_era} answered, --require-adc-era wants {self.adc_era}"
        if self.score_scale not in (None, model.score_scale):
            yield (
                f"{model.score_scale} scores answered, --require-score-scale wants {self.score_scale}; "
                "its report has a table of equivalent cuts"
            )

    def check(self, model: Model, place: str) -> None:
        """Raises CheckError where something demanded does not hold."""
        if faults := list(self.unmet(model)):
            raise CheckError(f"{model} at {place}: {'; '.join(faults)}")
