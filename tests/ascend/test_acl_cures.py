"""Every code of pyACL has its name and a cure, and what the last error says beats the code."""

from __future__ import annotations

import pytest

from osnet_lib.ascend.acl import AclError
from osnet_lib.ascend.acl_codes import NAMES, name_of
from osnet_lib.ascend.acl_cures import ACL_CURES, cure_for, told_cause


def test_every_code_has_a_name_and_a_cure():
    assert len(NAMES) == 204 and ACL_CURES.keys() <= NAMES.keys() and name_of(123456) == "unknown code"
    assert len([code for code in NAMES if str(code)[:3] in ("107", "207", "507")]) == 131  # the runtime's
    for code in (*NAMES, 123456, 999999, -1):
        for soc in (None, "Ascend310"):
            cure = cure_for(code, soc)
            assert cure.endswith((".", ")")) and "{" not in cure and "None" not in cure


@pytest.mark.parametrize(
    "code, name",
    [
        (100000, "ACL_ERROR_INVALID_PARAM"),
        (107000, "ACL_ERROR_RT_PARAM_INVALID"),
        (107045, "ACL_ERROR_RT_SUB_ACLGRAPH_IS_CAPTURING"),
        (145003, "ACL_ERROR_GE_EXEC_MODEL_ID_INVALID"),
        (207007, "ACL_ERROR_RT_NO_EVENT_RESOURCE"),
        (207008, "ACL_ERROR_RT_NO_STREAM_RESOURCE"),
        (300000, "ACL_ERROR_STORAGE_OVER_LIMIT"),
        (507054, "ACL_ERROR_RT_HBM_MULTI_BIT_ECC_ERROR"),
        (507899, "ACL_ERROR_RT_DRV_INTERNAL_ERROR"),
        (507916, "ACL_ERROR_RT_CCU_EXCEPTION"),
        (545601, "ACL_ERROR_GE_MODEL_EXECUTE_TIMEOUT"),
    ],
)
def test_names(code, name):
    assert name_of(code) == name


@pytest.mark.parametrize("code", [100000, 107002, 145000, 145003, 207001, 500002, 507008, 507011, 507033, 507054])
def test_usual_codes_have_their_own_cure(code):
    assert code in ACL_CURES


CHIP = "[Check][Soc]supported socVersion={}, but the model socVersion={}[FUNC:CheckOsCpuInfoAndOppVersion]"
OPP = "the opp version of the model does not match the one of this host"


@pytest.mark.parametrize("code", [500001, 145000, 100000])
@pytest.mark.parametrize("here, there", [("Ascend310P3", "Ascend310"), ("Ascend910B4-1", "Ascend910B4")])
@pytest.mark.parametrize("before", ["EZ9999: Inner Error!\n        ", "x" * 400 + "\n"])
def test_an_om_of_another_chip_under_whatever_code(code, here, there, before):
    error = AclError("acl.mdl.load_from_file", code, before + CHIP.format(here, there) + "\n", "x.om")
    assert error.cure == f"The OM is of another chip: convert the model for this one (--soc_version={here})."
    assert f"supported socVersion={here}, but the model socVersion={there}" in str(error)
    assert str(code) in str(error) and "\n" not in str(error)


def test_an_om_of_another_cann():
    error = AclError("acl.mdl.load_from_file", 500002, f"EZ9999: Inner Error!\n {OPP}.\n", "x.om", "Ascend310")
    assert error.cure == "The OM is of another CANN: convert it with that of this host." and OPP in str(error)


@pytest.mark.parametrize("message", ["", "EZ9999: Inner Error!", "supported socVersion=Ascend310", "socVersion"])
def test_a_text_that_names_no_cause_leaves_the_code_its_cure(message):
    assert told_cause(message) is None
    assert AclError("acl.rt.malloc", 207001, message, "x.om").cure == cure_for(207001)
