# the watcher
