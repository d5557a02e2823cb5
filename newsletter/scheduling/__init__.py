"""Scheduling: when an edition is built, sent and given up, and the clock that rings for it.

`timetable` is pure: a newsletter's settings and a date or moment in, moments in UTC out; zones, daylight saving and
holidays are known there and nowhere else. What rings may ring twice, late, or from several processes: every step it
starts is claimed in the database by newsletter and date.
"""
