"""Signal processing on plain arrays: no obspy, no engine, no input or output.

Arrays enter each function, and new arrays leave it. The last axis holds samples (or
bins, or lags); axes before it are batches. float32 stays float32, everything else
becomes float64; inputs are never changed; a parameter out of range raises
`errors.ParameterError`, which names it.

- One record: `gaps`, `spikes`, `shift`, `rates`, `detrend`, `taper`, `filter`,
  `zero_phase`, `resample`, `time_axis`, `normalize`; `continuous` for records that
  arrive in pieces.
- Sizes of records: `amplitudes`.
- Windows and spectra: `window`, `spectra`, `psd`, `whiten`, `transfer`.
- Components: `rotation`.
- Pairs: `correlate` (definition and kernels), `coherency` (coherency, deconvolution,
  phase, rotation of tensors).
- Stacks: `stack`, `stack_filters`, `folding` (two sides, signal to noise).
- Misfit of observed and synthetic records, and adjoint sources: `misfits`;
  windows to measure it in: `windowing`.
- Measurements: `stretching`, `delays`, `mwcs`, `warping`, `wavelet` (velocity change),
  `ftan`, `ftan_image` (dispersion), `lag_shifts`, `symmetry`, `clock_network` (clock
  errors).
"""
