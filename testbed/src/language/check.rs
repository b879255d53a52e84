//! What a topology means across its sections: names that must exist, regions that must be linked, files that must load.
