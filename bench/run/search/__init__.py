"""The search of options before a study is measured: trials are cells, chosen by Optuna."""
