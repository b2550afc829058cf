"""Names for an invented organisation: cities with their districts, people."""

from __future__ import annotations

from random import Random
from typing import Final

CITIES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("SZ", "苏州", ("姑苏", "园区", "新区", "吴中", "相城", "吴江")),
    ("WX", "无锡", ("梁溪", "滨湖", "惠山", "新吴", "锡山", "江阴")),
    ("NJ", "南京", ("玄武", "秦淮", "建邺", "鼓楼", "栖霞", "江宁")),
    ("HZ", "杭州", ("上城", "拱墅", "西湖", "滨江", "萧山", "余杭")),
    ("HF", "合肥", ("瑶海", "庐阳", "蜀山", "包河", "肥东", "肥西")),
    ("NB", "宁波", ("海曙", "江北", "镇海", "北仑", "鄞州", "奉化")),
    ("CZ", "常州", ("天宁", "钟楼", "新北", "武进", "金坛", "溧阳")),
    ("NT", "南通", ("崇川", "通州", "海门", "启东", "如皋", "海安")),
)
_SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严"
_GIVEN_SINGLE: Final = "伟强磊军勇涛超明刚平辉鹏杰斌波鑫浩亮宁健敏静丽娟艳芳洁婷雪琳悦慧倩莉"
_GIVEN_DOUBLE: Final = (
    "建国志强文博子轩俊杰海涛国栋晓东立新永康家豪天佑少华振宇思远宏伟明辉德华庆丰向阳"
    "雨桐晓燕佳怡春梅玉兰秀英海燕思琪梦瑶欣怡"
)
_GIVEN: Final = (*_GIVEN_SINGLE, *(_GIVEN_DOUBLE[i : i + 2] for i in range(0, len(_GIVEN_DOUBLE), 2)))


def people(rng: Random, count: int) -> list[str]:
    """`count` different names of people; past the stock of pairs a number makes them different."""
    pairs = [surname + given for surname in _SURNAMES for given in _GIVEN]
    rng.shuffle(pairs)
    return [pairs[i % len(pairs)] + ("" if i < len(pairs) else str(i // len(pairs) + 1)) for i in range(count)]


def city(index: int) -> tuple[str, str, tuple[str, ...]]:
    """Code, name and districts of the index-th branch; past the stock a number makes them different."""
    code, name, districts = CITIES[index % len(CITIES)]
    again = index // len(CITIES)
    return (f"{code}{again + 1}", f"{name}{again + 1}", districts) if again else (code, name, districts)


def district(districts: tuple[str, ...], index: int) -> str:
    """Name of a branch's index-th region."""
    again = index // len(districts)
    return districts[index % len(districts)] + (str(again + 1) if again else "")
