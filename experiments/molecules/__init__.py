"""Properties of molecules from their graphs, by GraphGPS."""
