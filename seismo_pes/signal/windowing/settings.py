"""Options of the picker of windows; the letters are those of Maggi et al. (2009)."""

from __future__ import annotations

from dataclasses import dataclass

from seismo_pes.signal.misfits.settings import Settings, setting

__all__ = ["PickerSettings"]


@dataclass(frozen=True)
class PickerSettings(Settings):
    """Options of `pick_windows` and `judge_window`."""

    water_level: float = setting(
        0.08, "STA/LTA above which a maximum begins a window (w_E)", above=0
    )
    noise_level: float = setting(
        0.01,
        "noise that is added to the long-term average, as a part of the largest "
        "envelope: smaller waves do not count as arrivals (0.00001 in the paper)",
        above=0,
    )
    internal_minimum: float = setting(
        1.0, "a window ends at minima below this part of the water level (C0)", least=0
    )
    min_length_periods: float = setting(
        2.0, "smallest length of a window, in shortest periods (C1)", least=0
    )
    prominence: float = setting(
        0.0,
        "smallest rise of the maximum above the minima beside it, in water levels (C2)",
        least=0,
    )
    separation_height: float = setting(
        4.0,
        "largest height of another maximum of the window, as a multiple of the height "
        "of the maximum from which the window was made (C3a)",
        above=0,
    )
    separation_periods: float = setting(
        2.5,
        "distance in shortest periods up to which that limit is valid; at larger "
        "distances the limit is smaller (C3b)",
        above=0,
    )
    before_periods: float = setting(
        2.0, "longest part of a window before its first maximum (C4a)", least=0
    )
    after_periods: float = setting(
        6.0, "longest part of a window after its last maximum (C4b)", least=0
    )
    min_record_amplitude_ratio: float = setting(
        0.0,
        "smallest ratio of largest amplitudes after and in the interval of noise",
        least=0,
    )
    min_record_power_ratio: float = setting(
        0.0,
        "smallest ratio of mean powers after and in the interval of noise",
        least=0,
    )
    min_snr: float = setting(
        1.5, "smallest signal-to-noise ratio of the observed window", least=0
    )
    noise_type: str = setting(
        "amplitude",
        "ratio of largest amplitudes, or of mean powers",
        choices=("amplitude", "energy"),
    )
    min_cc: float = setting(0.7, "smallest correlation coefficient", least=-1, most=1)
    max_shift_s: float = setting(
        10.0,
        "largest difference of the time shift from its reference",
        unit="s",
        least=0,
    )
    shift_reference_s: float = setting(0.0, "expected time shift", unit="s", least=-1e9)
    max_dlna: float = setting(
        1.3, "largest difference of ln(A_obs/A_syn) from its reference", least=0
    )
    dlna_reference: float = setting(0.0, "expected ln(A_obs/A_syn)", least=-1e9)
    max_shift_periods: float = setting(
        0.5,
        "largest time shift in periods of the synthetic window; beyond it the cycle "
        "is ambiguous",
        above=0,
        most=1,
    )
    max_before_arrival_s: float | None = setting(
        None,
        "longest time from the start of a window to the first arrival; windows that "
        "begin earlier are shortened; by default before_periods",
        unit="s",
        least=0,
    )
    needs_arrival: bool = setting(False, "a window must contain an arrival")
    overlap: str = setting(
        "schedule",
        "schedule keeps the windows with the largest sum of weights; merge merges "
        "overlapping windows if the merged window is accepted",
        choices=("schedule", "merge"),
    )
