"""Where things lie."""

from __future__ import annotations

from osnet_lib.study.workspace import REPOSITORY, Workspace, open_workspace


def test_folders_lie_below_the_root(tmp_path):
    work = Workspace(tmp_path)
    folders = [work.models, work.data, work.features, work.failed, work.results, work.executed, work.notebooks]
    assert len(set(folders)) == 7 and all(tmp_path in folder.parents for folder in folders)


def test_open_workspace_takes_path_then_variable_then_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("OSNET_WORKSPACE", str(tmp_path / "variable"))
    assert open_workspace(tmp_path / "path").root == tmp_path / "path"
    assert open_workspace().root == tmp_path / "variable"
    monkeypatch.setenv("OSNET_WORKSPACE", "")
    assert open_workspace().root == REPOSITORY and (REPOSITORY / "notebooks").is_dir()


def test_open_workspace_without_checkout_is_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("OSNET_WORKSPACE", raising=False)
    monkeypatch.setattr("osnet_lib.study.workspace.REPOSITORY", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)
    assert open_workspace().root == tmp_path.resolve()


def test_open_workspace_expands_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_workspace("~/study").root == tmp_path / "study"
