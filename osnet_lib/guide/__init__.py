"""The files of the guide: what it and Huawei's tools write and read, so that either side can go on with the other's."""
