// Where regions and towns are, by the names that operators give to sites. Approximate degrees; knows nothing of clusters.
import type { Point, View } from './land';

const TOWNS: Record<string, Point> = {
  beijing: [116.4, 39.9], tianjin: [117.2, 39.1], hebei: [114.5, 38], zhangjiakou: [114.9, 40.8], langfang: [116.7, 39.5], shijiazhuang: [114.5, 38], taiyuan: [112.5, 37.9], datong: [113.3, 40.1],
  ulanqab: [113.1, 41], hohhot: [111.7, 40.8], baotou: [109.8, 40.7], shenyang: [123.4, 41.8], dalian: [121.6, 38.9], changchun: [125.3, 43.9], harbin: [126.6, 45.8], shanghai: [121.5, 31.2],
  nanjing: [118.8, 32.1], suzhou: [120.6, 31.3], wuxi: [120.3, 31.5], hangzhou: [120.2, 30.3], ningbo: [121.5, 29.9], hefei: [117.3, 31.8], wuhu: [118.4, 31.3], fuzhou: [119.3, 26.1], xiamen: [118.1, 24.5],
  nanchang: [115.9, 28.7], jinan: [117, 36.7], qingdao: [120.4, 36.1], zhengzhou: [113.6, 34.8], wuhan: [114.3, 30.6], yichang: [111.3, 30.7], changsha: [113, 28.2], guangzhou: [113.3, 23.1], shenzhen: [114.1, 22.5],
  dongguan: [113.8, 23], shaoguan: [113.6, 24.8], zhuhai: [113.6, 22.3], nanning: [108.4, 22.8], haikou: [110.3, 20], chongqing: [106.6, 29.6], chengdu: [104.1, 30.7], mianyang: [104.7, 31.5], guiyang: [106.7, 26.6],
  guian: [106.5, 26.4], kunming: [102.8, 25], lhasa: [91.1, 29.7], xian: [108.9, 34.3], lanzhou: [103.8, 36.1], qingyang: [107.6, 35.7], xining: [101.8, 36.6], yinchuan: [106.2, 38.5], zhongwei: [105.2, 37.5],
  urumqi: [87.6, 43.8], karamay: [84.9, 45.6], hongkong: [114.2, 22.3], macau: [113.5, 22.2], taipei: [121.5, 25], tokyo: [139.7, 35.7], osaka: [135.5, 34.7], kobe: [135.2, 34.7], seoul: [127, 37.6], daejeon: [127.4, 36.4],
  singapore: [103.8, 1.4], kualalumpur: [101.7, 3.1], johor: [103.8, 1.5], jakarta: [106.8, -6.2], bangkok: [100.5, 13.8], hanoi: [105.8, 21], manila: [121, 14.6], mumbai: [72.9, 19.1], delhi: [77.2, 28.6],
  bangalore: [77.6, 13], pune: [73.9, 18.5], dubai: [55.3, 25.2], riyadh: [46.7, 24.7], thuwal: [39.1, 22.3], doha: [51.5, 25.3], telaviv: [34.8, 32.1], istanbul: [29, 41], almaty: [76.9, 43.2], astana: [71.4, 51.2],
  moscow: [37.6, 55.8], frankfurt: [8.7, 50.1], munich: [11.6, 48.1], stuttgart: [9.2, 48.8], juelich: [6.4, 50.9], dresden: [13.7, 51.1], berlin: [13.4, 52.5], hamburg: [10, 53.6], paris: [2.4, 48.9],
  marseille: [5.4, 43.3], amsterdam: [4.9, 52.4], brussels: [4.4, 50.9], luxembourg: [6.1, 49.6], london: [-0.1, 51.5], edinburgh: [-3.2, 56], dublin: [-6.3, 53.3], madrid: [-3.7, 40.4], barcelona: [2.2, 41.4],
  lisbon: [-9.1, 38.7], zurich: [8.5, 47.4], lugano: [9, 46], geneva: [6.1, 46.2], milan: [9.2, 45.5], bologna: [11.3, 44.5], rome: [12.5, 41.9], vienna: [16.4, 48.2], ostrava: [18.3, 49.8], prague: [14.4, 50.1],
  warsaw: [21, 52.2], stockholm: [18.1, 59.3], linkoping: [15.6, 58.4], oslo: [10.8, 59.9], copenhagen: [12.6, 55.7], helsinki: [24.9, 60.2], kajaani: [27.7, 64.2], reykjavik: [-21.9, 64.1], athens: [23.7, 38],
  sofia: [23.3, 42.7], virginia: [-77.5, 39], ashburn: [-77.5, 39], newyork: [-74, 40.7], boston: [-71.1, 42.4], chicago: [-87.6, 41.9], argonne: [-88, 41.7], oakridge: [-84.3, 36], austin: [-97.7, 30.3],
  dallas: [-96.8, 32.8], ohio: [-83, 40], iowa: [-93.6, 41.6], oregon: [-121, 44], california: [-121.9, 37.4], livermore: [-121.8, 37.7], berkeley: [-122.3, 37.9], losangeles: [-118.2, 34.1], seattle: [-122.3, 47.6],
  montreal: [-73.6, 45.5], toronto: [-79.4, 43.7], vancouver: [-123.1, 49.3], mexico: [-99.1, 19.4], saopaulo: [-46.6, -23.5], santiago: [-70.7, -33.5], buenosaires: [-58.4, -34.6], bogota: [-74.1, 4.7],
  sydney: [151.2, -33.9], melbourne: [145, -37.8], canberra: [149.1, -35.3], perth: [115.9, -32], auckland: [174.8, -36.8], johannesburg: [28, -26.2], capetown: [18.4, -33.9], nairobi: [36.8, -1.3], lagos: [3.4, 6.5], cairo: [31.2, 30],
  // Regions as clouds and provinces name them, at their middle.
  cnnorth: [115.5, 39], cnnortheast: [125.3, 43.9], cneast: [119.5, 31.5], cnsouth: [113.4, 23.2], cncentral: [113.5, 31], cnsouthwest: [105.5, 28], cnwest: [104, 35], cnnorthwest: [104.5, 36.5],
  innermongolia: [111.7, 40.8], guizhou: [106.7, 26.6], gansu: [103.8, 36.1], ningxia: [106.2, 38.5], sichuan: [104.1, 30.7], guangdong: [113.3, 23.1], jiangsu: [119.5, 32.5], zhejiang: [120.2, 29.8], shandong: [118, 36.4],
  anhui: [117.3, 31.8], hubei: [113, 31], hunan: [112, 27.8], henan: [113.6, 34], shaanxi: [108.9, 34.8], shanxi: [112.5, 37.5], qinghai: [101, 36.4], xinjiang: [86, 43], yunnan: [102, 25], fujian: [118.5, 26], guangxi: [108.8, 23.5],
  euwest: [2, 49], eucentral: [9, 50], eunorth: [18, 60], eusouth: [11, 44], useast: [-77, 39], uscentral: [-95, 40], uswest: [-121, 40], apsoutheast: [104, 1.5], apnortheast: [138, 36], apsouth: [75, 20],
};

const CHINESE: Record<string, string> = {
  北京: 'beijing', 天津: 'tianjin', 上海: 'shanghai', 重庆: 'chongqing', 深圳: 'shenzhen', 广州: 'guangzhou', 杭州: 'hangzhou', 南京: 'nanjing', 苏州: 'suzhou', 无锡: 'wuxi', 合肥: 'hefei', 武汉: 'wuhan', 长沙: 'changsha', 成都: 'chengdu',
  贵阳: 'guiyang', 贵安: 'guian', 西安: 'xian', 兰州: 'lanzhou', 庆阳: 'qingyang', 银川: 'yinchuan', 中卫: 'zhongwei', 呼和浩特: 'hohhot', 乌兰察布: 'ulanqab', 张家口: 'zhangjiakou', 济南: 'jinan', 青岛: 'qingdao', 郑州: 'zhengzhou',
  太原: 'taiyuan', 沈阳: 'shenyang', 大连: 'dalian', 哈尔滨: 'harbin', 长春: 'changchun', 昆明: 'kunming', 韶关: 'shaoguan', 芜湖: 'wuhu', 香港: 'hongkong', 厦门: 'xiamen', 福州: 'fuzhou', 宁波: 'ningbo', 克拉玛依: 'karamay', 乌鲁木齐: 'urumqi',
};

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '');

/** The longest place whose name is in one of the names, the first name first: `hpc-guiyang-2` is at Guiyang. */
export function placeOf(...names: (string | null | undefined)[]): Point | undefined {
  for (const name of names) {
    if (!name) continue;
    for (const [word, town] of Object.entries(CHINESE)) if (name.includes(word)) return TOWNS[town];
    const text = plain(name);
    const found = Object.keys(TOWNS)
      .filter((town) => text.includes(town))
      .sort((a, b) => b.length - a.length || a.localeCompare(b))[0];
    if (found) return TOWNS[found];
  }
  return undefined;
}

export const WORLD: View = { west: -170, east: 190, south: -56, north: 80 };

/** Degrees east to west that a view has at least: a province is not the world. */
const WIDTH_MIN = 70;
/** Of a view, width over height. */
const SHAPE = 2.1;

/** The part of the world in which all points stand with room around them; the world when there are none. */
export function viewOf(points: readonly Point[]): View {
  if (points.length === 0) return WORLD;
  const [wests, norths] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [west, east, south, north] = [Math.min(...wests), Math.max(...wests), Math.min(...norths), Math.max(...norths)];
  const width = Math.max(WIDTH_MIN, (east - west) * 1.35, (north - south) * 1.6 * SHAPE);
  if (width >= 260) return WORLD;
  const height = width / SHAPE;
  const middle = [(west + east) / 2, Math.min(WORLD.north - height / 2, Math.max(WORLD.south + height / 2, (south + north) / 2))] as const;
  return { west: middle[0] - width / 2, east: middle[0] + width / 2, south: middle[1] - height / 2, north: middle[1] + height / 2 };
}
