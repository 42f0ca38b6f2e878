"""Optical flow, camera motion, shot cuts, color names, histograms and edge-preserving filters."""
