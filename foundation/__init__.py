"""What every other package stands on: settings, errors, names, version folders."""
