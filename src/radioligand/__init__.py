"""Run, analyse and plan radioligand-therapy trials from one protocol document."""
