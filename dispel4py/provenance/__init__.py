"""Provenance: which call of which element made a product, and from which products.

`recorder` observes a run, `model` has the records and the format of their files;
`expression` is the language in which products are selected and searched. The names in
this module are those of dispel4py 1.x, see `workflows_1x`.
"""

from dispel4py.provenance.workflows_1x import (
    AccumulateFlow,
    AccumulateStateTrace,
    ASTGrouped,
    CommandLineInputs,
    ForceStateless,
    IntermediateStatefulOut,
    Nby1Flow,
    ProvenanceIterativePE,
    ProvenanceSimpleFunctionPE,
    ProvenanceType,
    SingleInvocationFlow,
    SlideFlow,
    configure_prov_run,
    getUniqueId,
    init_provenance_config,
    injectProv,
    update_prov_run,
)

__all__ = [
    "ASTGrouped",
    "AccumulateFlow",
    "AccumulateStateTrace",
    "CommandLineInputs",
    "ForceStateless",
    "IntermediateStatefulOut",
    "Nby1Flow",
    "ProvenanceIterativePE",
    "ProvenanceSimpleFunctionPE",
    "ProvenanceType",
    "SingleInvocationFlow",
    "SlideFlow",
    "configure_prov_run",
    "getUniqueId",
    "init_provenance_config",
    "injectProv",
    "update_prov_run",
]
